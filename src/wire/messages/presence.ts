import { bool, message, record, type TypeOf, uint } from '../codec.ts'

/** Retained on `n/<node>/presence`, and the connection's will with `online: false`. A number below the last one seen is ignored. [P 4.1] */
export const presence = message('presence', record({ connection: [1, uint(0xffff_ffff)], online: [2, bool] }), 64)

export type Presence = TypeOf<typeof presence>
