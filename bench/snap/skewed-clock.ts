import type { Clock } from '@hypha/core/ports/clock.ts'

/** A clock that is ahead of another, and runs faster than it by so many millionths. */
export function skewedClock(base: Clock, { aheadMs, ppm }: { readonly aheadMs: number; readonly ppm: number }): Clock {
  const rate = 1 + ppm / 1e6
  const startedAt = base.monotonic()
  return {
    now: () => base.now() + aheadMs + (base.monotonic() - startedAt) * (rate - 1),
    // An arbitrary start, and not the base's.
    monotonic: () => base.monotonic() * rate + aheadMs,
    after: (delayMs, run) => base.after(delayMs / rate, run),
  }
}
