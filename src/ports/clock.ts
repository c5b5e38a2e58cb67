/** Time as the core knows it. */
export interface Clock {
  /** Milliseconds since 1970 UTC, as the machine believes; may jump. */
  now(): number
  /** Milliseconds of a clock that never jumps, from an arbitrary start. */
  monotonic(): number
  /** Calls `run` once after `delayMs`; the result cancels it. */
  after(delayMs: number, run: () => void): () => void
}
