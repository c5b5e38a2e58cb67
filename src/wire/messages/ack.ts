import { bool, message, nullable, record, type TypeOf, uint } from '../codec.ts'
import { incarnation } from '../ids.ts'

/** On `n/<node>/down/ack`: everything of this incarnation up to and including `upTo` is stored, durably. */
export const ack = message(
  'ack',
  record({
    incarnation: [1, incarnation],
    upTo: [2, uint()],
    /** The journal was set back behind `upTo`: nothing more of it is taken, and the node is to begin a new one. [P 8.8] */
    anew: [3, nullable(bool)],
  }),
  64,
)

export type Ack = TypeOf<typeof ack>
