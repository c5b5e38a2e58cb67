import type { Clock } from '@hypha/core/ports/clock.ts'

/** How long each of several steps took that follow one another. */
export class Laps {
  /** By step, in milliseconds to a tenth. */
  readonly ms: Record<string, number> = {}
  readonly #clock: Clock
  #last: number

  /** `since`: when the first step began, by the monotonic clock. */
  constructor(clock: Clock, since: number) {
    this.#clock = clock
    this.#last = since
  }

  /** The step that went on until now. */
  end(step: string): void {
    const now = this.#clock.monotonic()
    this.ms[step] = Math.round((now - this.#last) * 10) / 10
    this.#last = now
  }
}
