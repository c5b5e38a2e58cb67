import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Section } from '@hypha/core/trust/directive.ts'
import { sameWork } from './sections.ts'

const firstMs = 5_000
const longestMs = 300_000

/**
 * When a section is tried again that was given up, although its release runs here: it asks for more instances of it, or for other ones, and what kept them from starting may have passed. Each time after twice as long; another section at once.
 * Nothing of it outlasts the agent.
 */
export class Retrial {
  readonly #clock: Pick<Clock, 'monotonic'>
  #section: Section | null = null
  #waitMs = firstMs
  /** By the monotonic clock; null until it is known to be given up. */
  #due: number | null = null

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** It is tried now. */
  begun(section: Section): void {
    this.#waitMs = this.#isKnown(section) ? Math.min(2 * this.#waitMs, longestMs) : firstMs
    this.#section = section
    this.#due = null
  }

  /** It was given up: how many ms it is to wait from now on; 0 or less where it is due. */
  leftMs(section: Section): number {
    if (!this.#isKnown(section)) return 0
    const now = this.#clock.monotonic()
    this.#due ??= now + this.#waitMs
    return this.#due - now
  }

  #isKnown(section: Section): boolean {
    return this.#section !== null && sameWork(this.#section, section)
  }
}
