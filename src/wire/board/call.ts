import { float, nullable, oneOf, record, type TypeOf, text, uint } from '../codec.ts'

/** A module elsewhere reads a sensor of the board, or sets an actuator. [S 8.15] */
export const call = record({
  /** Rises with each call of an opening. */
  number: [1, uint(0xffff_ffff, 1)],
  what: [2, oneOf('read', 'set')],
  name: [3, text(64)],
  /** Of `set` only. */
  value: [4, nullable(float)],
})

export type Call = TypeOf<typeof call>
