import { nullable, oneOf, record, type TypeOf, text, uint } from '../codec.ts'

/** What a board doesn't take, and why. [S 8.10] */
export const refused = record({
  /** Which message: `transfer` is the offer's number and what was sent of it, `number` that of a call. */
  of: [1, oneOf('transfer', 'activation', 'session', 'input', 'call')],
  number: [2, nullable(uint(0xffff_ffff))],
  /** A code of docs/errors.md, which has the words for it. */
  code: [3, text(40, /^[a-z0-9-]+$/)],
  /** A number that belongs to it, such as the version that the board holds; null for none. */
  detail: [4, nullable(uint())],
})

export type Refused = TypeOf<typeof refused>
