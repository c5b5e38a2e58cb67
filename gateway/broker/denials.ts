import { Buckets, type Rate } from './bucket.ts'

interface ReportRates {
  /** About one client, or one address of strangers. */
  readonly each: Rate
  /** About all of them together. */
  readonly all: Rate
}

const defaultReportRates: ReportRates = {
  each: { perSecond: 1 / 60, burst: 10 },
  all: { perSecond: 10, burst: 200 },
}

const maxNames = 10_000

/**
 * Decides what is reported of what clients do wrong: some at once, and then one a minute, with the number of those that weren't; a hostile client must not fill the log.
 */
export class ReportLimiter {
  readonly #each: Buckets
  readonly #all: Buckets
  readonly #now: () => number
  readonly #passedOver = new Map<string, number>()

  constructor(now: () => number, rates: ReportRates = defaultReportRates) {
    this.#each = new Buckets(rates.each, maxNames)
    this.#all = new Buckets(rates.all, 1)
    this.#now = now
  }

  /** Null if this isn't to be reported; else how many about the same were passed over before. */
  admit(about: string): number | null {
    const now = this.#now()
    if (!this.#each.of(about, now).take(1, now) || !this.#all.of('', now).take(1, now)) {
      this.#passOver(about)
      return null
    }
    const before = this.#passedOver.get(about) ?? 0
    this.#passedOver.delete(about)
    return before
  }

  #passOver(about: string): void {
    // Names without number are as good as one.
    const name = this.#passedOver.size < maxNames || this.#passedOver.has(about) ? about : ''
    this.#passedOver.set(name, (this.#passedOver.get(name) ?? 0) + 1)
  }
}
