import { oneOf, record, uint } from '../codec.ts'
import { digest, id } from '../ids.ts'

/** One step of an app's change on the board. [S 8.11] */
export const activation = record({
  step: [1, oneOf('activate', 'confirm', 'revert')],
  app: [2, id],
  epoch: [3, uint(0xffff_ffff, 1)],
  /** Digest of the release's payload, as the board's directive names it with this epoch. */
  release: [4, digest],
})
