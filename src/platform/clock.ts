import { performance } from 'node:perf_hooks'
import type { Clock } from '../ports/clock.ts'

/** The longest delay that setTimeout takes; a longer one would fire at once. */
const maxDelayMs = 2 ** 31 - 1

/** The machine's clocks and timers. A timer never runs before its time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    const due = performance.now() + delayMs
    const arm = () =>
      setTimeout(
        () => {
          // setTimeout may fire up to a millisecond early.
          if (performance.now() < due) timer = arm()
          else run()
        },
        Math.min(maxDelayMs, Math.max(0, Math.ceil(due - performance.now()))),
      )
    let timer = arm()
    return () => clearTimeout(timer)
  },
}
