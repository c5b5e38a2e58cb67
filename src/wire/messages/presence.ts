import { bool, bytes, message, nullable, record, type TypeOf, uint } from '../codec.ts'
import { incarnation } from '../ids.ts'

/** Retained on `n/<node>/presence`, and the connection's will with `online: false`. A number below the last one seen is ignored. [P 4.1] */
export const presence = message(
  'presence',
  record({
    connection: [1, uint(0xffff_ffff)],
    online: [2, bool],
    /** A random number that each run of an agent makes for itself: one that was followed by another and comes back is of a second machine with the same keys. */
    run: [3, nullable(bytes({ exact: 8 }))],
    /** How far the node's journal reaches, all of it durable: below what the gateway has stored of it, its disk was set back. [P 8.8] */
    journal: [4, nullable(record({ incarnation: [1, incarnation], upTo: [2, uint()] }))],
  }),
  64,
)

export type Presence = TypeOf<typeof presence>
