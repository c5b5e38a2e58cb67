import { message, record, type TypeOf, uint } from '../codec.ts'
import { incarnation } from '../ids.ts'

/** On `n/<node>/down/ack`: everything of this incarnation up to and including `upTo` is stored, durably. */
export const ack = message('ack', record({ incarnation: [1, incarnation], upTo: [2, uint()] }), 64)

export type Ack = TypeOf<typeof ack>
