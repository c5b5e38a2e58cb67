import { expect, test } from 'vitest'
import { startTicker } from '../../../agent/sandbox/ticker.ts'
import { FakeClock } from '../../support/fake-clock.ts'

test('Ticks come at once and then at whole periods after the start, however long each was waited for.', () => {
  const clock = new FakeClock()
  const at: number[] = []
  const stop = startTicker(clock, 1_000, () => at.push(clock.monotonic()))
  for (let step = 0; step < 100; step++) clock.advance(37)
  expect(at).toEqual([0, 1_000, 2_000, 3_000])
  stop()
  clock.advance(10_000)
  expect(at).toHaveLength(4)
  expect(clock.waiting).toBe(0)
})

test('Periods that passed while the thread was busy are told as missed, and the next tick is on time again.', () => {
  const clock = new FakeClock()
  const ticks: [number, number][] = []
  let busyMs = 0
  const late = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic() + busyMs,
    after: (delayMs: number, run: () => void) => clock.after(delayMs, run),
  }
  startTicker(late, 100, (missed) => ticks.push([late.monotonic(), missed]))
  busyMs = 350
  clock.advance(100)
  clock.advance(50)
  expect(ticks).toEqual([
    [0, 0],
    [450, 3],
    [500, 0],
  ])
})

test('A period longer than the timers of the platform can wait is waited for in steps.', () => {
  const clock = new FakeClock()
  const at: number[] = []
  const period = 31 * 86_400_000
  startTicker(clock, period, () => at.push(clock.monotonic()))
  clock.advance(2 * period)
  expect(at).toEqual([0, period, 2 * period])
})
