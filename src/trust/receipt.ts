import { bool, bytes, float, message, nullable, record, type TypeOf, uint } from '../wire/codec.ts'
import { digest, id, incarnation } from '../wire/ids.ts'

/** A board's reports have at most half a kilobyte. */
const maxReportBytes = 1_024

const inputCounts = record({
  /** Handled by what ran before, from its own activation until the flip. */
  before: [1, uint()],
  /** That waited at the flip and were carried over. */
  carried: [2, uint()],
  /** Of those carried over, handled by what runs since. */
  after: [3, uint()],
  /** Of those carried over, neither handled nor waiting any more. */
  lost: [4, uint()],
  /** Inputs that ran as a turn although they had been handled before; counted at the journal, since the flip. */
  doubled: [5, uint()],
})

/**
 * What a node says of one flip, on `n/<node>/up/receipt` as a COSE_Sign1 of the kind `receipt` by the node's own key: sent when all that was carried over is done with, or a while
 * after the flip; where the agent ended before, by the next one with what is known. The gateway keeps it as it came, so that anyone can verify it later. [P 10.8]
 */
export const receipt = message(
  'receipt',
  record({
    fleet: [1, id],
    node: [2, id],
    app: [3, id],
    incarnation: [4, incarnation],
    /** What ran before; null where nothing did. */
    from: [5, nullable(record({ epoch: [1, uint(0xffff_ffff)], release: [2, digest] }))],
    to: [6, record({ epoch: [1, uint(0xffff_ffff)], release: [2, digest] })],
    wave: [7, uint(63)],
    /** The instant that the commit named. */
    instantMs: [8, uint()],
    /** When the node opened what it runs since, by its estimate of the gateway's clock, and how far that may be wrong; milliseconds. */
    flippedMs: [9, float],
    errorMs: [10, float],
    /** From the end of the last turn before to the readiness for the first one after; null where the agent ended before it had written that down. */
    pauseMs: [11, nullable(float)],
    /** Null where the agent ended before it was known what became of them: they are in its journal, or come again from the gateway. */
    inputs: [12, nullable(inputCounts)],
    /** It came to know of the commit after the instant, or runs it by its directive alone, which says so only then. */
    late: [13, bool],
    /** Of a board, which signs nothing: the node that has it, which signs in its place. Null for a receipt that `node` has signed itself. */
    attested: [
      14,
      nullable(
        record({
          by: [1, id],
          /** A report of the board with the pause in it, and its MAC, which the gateway alone can check; null where none came. */
          report: [2, nullable(record({ body: [1, bytes({ max: maxReportBytes })], mac: [2, bytes({ exact: 16 })] }))],
        }),
      ),
    ],
  }),
  2_048,
)

export type Receipt = TypeOf<typeof receipt>

export const maxReceiptBytes = 2_560
