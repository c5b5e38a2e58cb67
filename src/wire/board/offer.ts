import { nullable, oneOf, record, type TypeOf, uint } from '../codec.ts'
import { digest } from '../ids.ts'

/** Something that the bridge has for the board, to be sent in pieces once the board says from where on. [S 8.7] */
export const offer = record({
  /** Names the transfer in what follows; another for each offer of an opening. */
  transfer: [1, uint(0xffff_ffff, 1)],
  what: [2, oneOf('root', 'directive', 'release', 'content')],
  /** Of the whole as it is once decoded, and its length. */
  digest: [3, digest],
  size: [4, uint(0xffff_ffff)],
  /** `mcu-patch`: as `src/delta` makes it in its small profile; over nothing where `base` is null, which is a compressed whole. */
  encoding: [5, oneOf('identity', 'mcu-patch')],
  base: [6, nullable(digest)],
  /** Bytes that are sent. */
  wireSize: [7, uint(0xffff_ffff)],
})

export type Offer = TypeOf<typeof offer>
