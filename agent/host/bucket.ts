/** A token bucket: `perSecond` on the long run, and as many at once after a pause of a second. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #now: () => number
  #tokens: number
  #filledAt: number

  /** `now` is in milliseconds of a clock that never jumps. */
  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond
    this.#now = now
    this.#tokens = perSecond
    this.#filledAt = now()
  }

  /** Whether one more is allowed now. */
  take(): boolean {
    const now = this.#now()
    this.#tokens = Math.min(this.#perSecond, this.#tokens + ((now - this.#filledAt) / 1_000) * this.#perSecond)
    this.#filledAt = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
