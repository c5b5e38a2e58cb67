import { bool, record, type TypeOf, uint } from '../codec.ts'

/** How many bytes of a transfer are durable on the board; the first answer to an offer, and then the word of its progress. [S 8.7] */
export const held = record({
  transfer: [1, uint(0xffff_ffff, 1)],
  /** Of the bytes sent: the first piece begins here. */
  at: [2, uint(0xffff_ffff)],
  /** The whole is there, decoded, of the digest that was offered, and verified as far as the board verifies it. */
  complete: [3, bool],
})

export type Held = TypeOf<typeof held>
