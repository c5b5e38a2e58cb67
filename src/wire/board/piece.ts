import { bytes, record, uint } from '../codec.ts'
import { maxBoardMessageBytes } from './limits.ts'

/** Bytes of a transfer, from `at` on; pieces come in order and without a gap. [S 8.8] */
export const piece = record({
  transfer: [1, uint(0xffff_ffff, 1)],
  at: [2, uint(0xffff_ffff)],
  bytes: [3, bytes({ max: maxBoardMessageBytes })],
})

/** What a piece's message has beside its bytes at the most: 1 + 1 for the pair, 1 for the map, 1 + 5 twice, 1 + 3. */
export const pieceOverhead = 19
