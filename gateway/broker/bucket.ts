/** Tokens a second, and how many may be saved up. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** A token bucket. It may go into debt: what can't be refused any more is paid for by what comes next. */
export class Bucket {
  readonly #rate: Rate
  #tokens: number
  #at: number

  constructor(rate: Rate, now: number) {
    this.#rate = rate
    this.#tokens = rate.burst
    this.#at = now
  }

  #refill(now: number): void {
    // A clock that was set back gives nothing, and takes nothing.
    const elapsed = Math.max(0, now - this.#at)
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + (elapsed * this.#rate.perSecond) / 1000)
    this.#at = now
  }

  charge(cost: number, now: number): void {
    this.#refill(now)
    this.#tokens -= cost
  }

  /** Charges only if there is enough. */
  take(cost: number, now: number): boolean {
    this.#refill(now)
    if (this.#tokens < cost) return false
    this.#tokens -= cost
    return true
  }

  /** How long until it is out of debt, in ms; 0 when it is. */
  waitMs(now: number): number {
    this.#refill(now)
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1000) / this.#rate.perSecond)
  }

  isFull(now: number): boolean {
    this.#refill(now)
    return this.#tokens >= this.#rate.burst
  }
}

/** A bucket for each of many names, of which the least lately used are forgotten: whoever makes up names can't fill the memory. */
export class Buckets {
  readonly #rate: Rate
  readonly #maxNames: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(rate: Rate, maxNames = 50_000) {
    this.#rate = rate
    this.#maxNames = maxNames
  }

  of(name: string, now: number): Bucket {
    const bucket = this.#buckets.get(name) ?? new Bucket(this.#rate, now)
    this.#buckets.delete(name)
    this.#buckets.set(name, bucket)
    if (this.#buckets.size > this.#maxNames) {
      const [oldest] = this.#buckets.keys()
      this.#buckets.delete(oldest!)
    }
    return bucket
  }
}
