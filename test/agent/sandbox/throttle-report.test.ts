import { expect, test } from 'vitest'
import { MissedTicksReport, ThrottleReport } from '../../../agent/sandbox/throttle-report.ts'
import { FakeClock } from '../../support/fake-clock.ts'

test('What was dropped is told at once, then once in a while, and for the last time when nothing can be dropped any more.', () => {
  const clock = new FakeClock()
  const told: string[] = []
  const report = new ThrottleReport(clock, 10_000, (text) => told.push(text))
  const samples = (count: number) => report.add({ samples: count, messages: 0, logs: 0 })
  samples(1)
  samples(2)
  samples(3)
  expect(told).toEqual(['over its rate: 1 samples dropped'])
  clock.advance(10_000)
  expect(told.slice(1)).toEqual(['over its rate: 5 samples dropped'])
  samples(4)
  report.stop()
  report.stop()
  expect(told.slice(2)).toEqual(['over its rate: 4 samples dropped'])
  clock.advance(60_000)
  expect(told).toHaveLength(3)
})

test('So it is with ticks that were missed.', () => {
  const told: string[] = []
  const report = new MissedTicksReport(new FakeClock(), 10_000, (text) => told.push(text))
  report.add(1)
  report.add(7)
  report.stop()
  expect(told).toEqual([expect.stringMatching(/^1 tick was/), expect.stringMatching(/^7 ticks were/)])
})
