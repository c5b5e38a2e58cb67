import { bytes, nullable, record } from '../codec.ts'

/** Agrees on the key of the MACs that a board's reports carry. [S 8.13] */
export const session = record({
  /** An X25519 public key that the gateway made for this session; the board's answer repeats it. */
  key: [1, bytes({ exact: 32 })],
  /** The board's answer only: that it has the session key. */
  proof: [2, nullable(bytes({ exact: 16 }))],
})
