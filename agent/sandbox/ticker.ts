import type { Clock } from '@hypha/core/ports/clock.ts'

/** Timers of the platform count in 32 bits: longer waits are taken in steps. */
const longestWaitMs = 24 * 3_600_000

/** Where a ticker is: when it started by the monotonic clock, and the number of the period that is due next. */
export interface TickerPhase {
  readonly startedAt: number
  readonly next: number
}

/**
 * Calls `tick` at once, and then at each whole period after the start: it doesn't drift. Periods that passed while the thread
 * was busy are told as `missed`. The result stops it and says where it was: another one with
 * the same period goes on `from` there.
 */
export function startTicker(
  clock: Clock,
  periodMs: number,
  tick: (missed: number) => void,
  from: TickerPhase = { startedAt: clock.monotonic(), next: 0 },
): () => TickerPhase {
  const { startedAt } = from
  let { next } = from
  let cancel: () => void = () => undefined
  let stopped = false

  const wake = (): void => {
    if (stopped) return
    const passed = clock.monotonic() - startedAt
    // A timer may fire a little early: only a whole period counts.
    if (passed >= next * periodMs) {
      const current = Math.floor(passed / periodMs)
      const missed = current - next
      next = current + 1
      tick(missed)
    }
    if (stopped) return
    const wait = startedAt + next * periodMs - clock.monotonic()
    cancel = clock.after(Math.min(longestWaitMs, Math.max(0, wait)), wake)
  }

  wake()
  return () => {
    stopped = true
    cancel()
    return { startedAt, next }
  }
}
