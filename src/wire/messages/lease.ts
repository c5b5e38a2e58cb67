import { bytes, list, message, nullable, record, type TypeOf, uint } from '../codec.ts'
import { id } from '../ids.ts'

/** Instances that one node may ask for at a time: the rest of them wait. */
export const maxLeases = 512

/** No lease is shorter: the gateway's answer has to come in between. */
export const minLeaseMs = 1_000
export const maxLeaseMs = 120_000

const nonce = bytes({ exact: 8 })

/**
 * On `n/<node>/up/lease`, QoS 0: may these instances run here? Those that it doesn't name the node has stopped, and lets go. [P 12.2]
 */
export const leaseAsk = message(
  'lease ask',
  record({
    /** Random: an answer counts from the moment at which its own question was made. */
    nonce: [1, nonce],
    /** How long the node wants them for. */
    forMs: [2, uint(maxLeaseMs, minLeaseMs)],
    instances: [
      3,
      list(
        record({
          app: [1, id],
          module: [2, id],
          home: [3, nullable(id)],
          /** The highest epoch of the sections that the node holds and that list it; 0 where none does, and it only runs still. */
          epoch: [4, uint(0xffff_ffff)],
        }),
        maxLeases,
      ),
    ],
  }),
)

/** On `n/<node>/down/lease`, QoS 0: these may run, for so long from the moment of the question on. */
export const leaseAnswer = message(
  'lease answer',
  record({
    nonce: [1, nonce],
    forMs: [2, uint(maxLeaseMs, minLeaseMs)],
    /** Places in the question's list. */
    granted: [3, list(uint(maxLeases - 1), maxLeases)],
  }),
  4_096,
)

export type LeaseAsk = TypeOf<typeof leaseAsk>
export type LeaseAnswer = TypeOf<typeof leaseAnswer>
