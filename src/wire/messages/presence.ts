import { bool, bytes, message, nullable, record, type TypeOf, uint } from '../codec.ts'

/** Retained on `n/<node>/presence`, and the connection's will with `online: false`. A number below the last one seen is ignored. [P 4.1] */
export const presence = message(
  'presence',
  record({
    connection: [1, uint(0xffff_ffff)],
    online: [2, bool],
    /** A random number that each run of an agent makes for itself: one that was followed by another and comes back is of a second machine with the same keys. */
    run: [3, nullable(bytes({ exact: 8 }))],
  }),
  64,
)

export type Presence = TypeOf<typeof presence>
