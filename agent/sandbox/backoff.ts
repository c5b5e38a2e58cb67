import type { Clock } from '@hypha/core/ports/clock.ts'
import type { SandboxOptions } from './options.ts'

/** When a cell that failed is made anew: after a wait that doubles with each failure, and begins anew after a healthy time. */
export class Backoff {
  readonly #clock: Clock
  readonly #options: Pick<SandboxOptions, 'backoffMs' | 'maxBackoffMs' | 'healthyMs'>
  #failures = 0
  #openedAt: number | null = null
  #cancel: () => void = () => undefined

  constructor(clock: Clock, options: Pick<SandboxOptions, 'backoffMs' | 'maxBackoffMs' | 'healthyMs'>) {
    this.#clock = clock
    this.#options = options
  }

  opened(): void {
    this.#openedAt = this.#clock.monotonic()
  }

  /** Calls `retry` after the wait, and answers how long that is. */
  failed(retry: () => void): number {
    const { backoffMs, maxBackoffMs, healthyMs } = this.#options
    const healthy = this.#openedAt !== null && this.#clock.monotonic() - this.#openedAt >= healthyMs
    if (healthy) this.#failures = 0
    this.#openedAt = null
    const waitMs = Math.min(maxBackoffMs, backoffMs * 2 ** Math.min(30, this.#failures))
    this.#failures++
    this.#cancel()
    this.#cancel = this.#clock.after(waitMs, retry)
    return waitMs
  }

  /** Calls off the retry that waits. */
  cancel(): void {
    this.#cancel()
  }
}
