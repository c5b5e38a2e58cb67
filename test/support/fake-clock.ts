import type { Clock } from '@hypha/core/ports/clock.ts'

interface Timer {
  readonly due: number
  readonly run: () => void
}

/** A clock that a test moves. */
export class FakeClock implements Clock {
  #now: number
  #monotonic = 0
  #timers: Timer[] = []

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#monotonic
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { due: this.#monotonic + Math.max(0, delayMs), run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.length
  }

  /** Lets time pass, running what falls due, in order. */
  advance(ms: number): void {
    const end = this.#monotonic + ms
    for (;;) {
      const next = this.#timers.reduce<Timer | null>(
        (first, timer) => (first && first.due <= timer.due ? first : timer),
        null,
      )
      if (!next || next.due > end) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#move(Math.max(0, next.due - this.#monotonic))
      next.run()
    }
    this.#move(end - this.#monotonic)
  }

  /** Moves the wall clock alone, as setting the time does. */
  jump(ms: number): void {
    this.#now += ms
  }

  #move(ms: number): void {
    this.#monotonic += ms
    this.#now += ms
  }
}
