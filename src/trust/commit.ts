import { message, record, type TypeOf, uint } from '../wire/codec.ts'
import { digest, id } from '../wire/ids.ts'
import { maxWaves } from './directive.ts'

/**
 * The gateway's word to everyone who has prepared a release: run it from this instant on. Retained on `b/commit/<app>` as a COSE_Sign1 of the kind `commit`; one takes the place
 * of the one before. It acts on a section in phase `prepare` that was accepted from a directive, has the same app, epoch and release, and is of this wave or an earlier one,
 * and on nothing else. An instant that has passed means now. [P 10.4]
 */
export const commit = message(
  'commit',
  record({
    fleet: [1, id],
    app: [2, id],
    epoch: [3, uint(0xffff_ffff, 1)],
    /** Digest of the release's payload. */
    release: [4, digest],
    wave: [5, uint(maxWaves - 1)],
    /** When to run it: milliseconds since 1970 by the gateway's clock, to which nodes measure their offset. [P 10.5] */
    instantMs: [6, uint()],
    issuedMs: [7, uint()],
  }),
  256,
)

export type Commit = TypeOf<typeof commit>

/** The most that a commit's envelope may have. */
export const maxCommitBytes = 512
