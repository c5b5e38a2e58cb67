import { float, nullable, oneOf, record, type TypeOf, uint } from '../codec.ts'

/** What came of a call. The words are those of `hypha:host/sensor` and `hypha:host/actuator`. [S 8.15] */
export const answer = record({
  number: [1, uint(0xffff_ffff, 1)],
  outcome: [2, oneOf('ok', 'unknown', 'unavailable', 'timeout', 'out-of-range')],
  /** Of a `read` that is `ok`. */
  value: [3, nullable(float)],
})

export type Answer = TypeOf<typeof answer>
