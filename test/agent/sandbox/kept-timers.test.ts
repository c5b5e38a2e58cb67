import { afterEach, expect, test } from 'vitest'
import type { PreparedApp, Sandbox } from '../../../agent/sandbox/sandbox.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { instanceOf, sectionOf, testSandbox } from '../../support/sandbox.ts'
import { guestModule } from '../../support/sandbox-guest.ts'

// Timers of instances that stop in one place and start in another.

const running: PreparedApp[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.stop({ save: false })))
})

const ticking = { exports: { 'module/timer#tick': '' } }
const key = instanceOf('clock')

async function starts(
  sandbox: Sandbox,
  journal: Parameters<Sandbox['prepare']>[1],
  timerMs = 1_000,
): Promise<PreparedApp> {
  const app = await sandbox.prepare(sectionOf([await guestModule('clock', ticking, { timerMs })]), journal)
  running.push(app)
  await app.activate()
  return app
}

/** It has ticked so often, and each of those turns has ended. */
const ticked = (app: PreparedApp, times: number) =>
  expect.poll(() => app.health().turns, { timeout: 20_000 }).toBe(times)

test('An instance that has moved ticks when it was due where it came from; what was due on the way is made up by one tick, and the others are missed.', async () => {
  const clock = new FakeClock()
  const [from, to] = [testSandbox(clock), testSandbox(clock)]
  const before = await starts(from.sandbox, from.journal)
  await ticked(before, 1)
  clock.advance(1_000)
  await ticked(before, 2)
  clock.advance(300)
  await before.stop({ save: true })
  const timer = from.sandbox.timers.take(key)
  expect(timer).toEqual({ dueAt: clock.monotonic() + 700, periodMs: 1_000 })
  clock.advance(3_100)
  to.sandbox.timers.came(key, timer)
  const after = await starts(to.sandbox, to.journal)
  await ticked(after, 1)
  expect(after.health().missedTicks).toBe(2)
  clock.advance(599)
  expect(after.health().turns).toBe(1)
  clock.advance(1)
  await ticked(after, 2)
})

test('One that comes before its next tick is due waits for that.', async () => {
  const clock = new FakeClock()
  const { sandbox, journal } = testSandbox(clock)
  sandbox.timers.came(key, { dueAt: clock.monotonic() + 400, periodMs: 1_000 })
  const app = await starts(sandbox, journal)
  clock.advance(399)
  expect(app.health().turns).toBe(0)
  clock.advance(1)
  await ticked(app, 1)
  expect(app.health().missedTicks).toBe(0)
})

test('One that is only begun anew where it ran ticks at its time again, and none counts as missed.', async () => {
  const clock = new FakeClock()
  const { sandbox, journal } = testSandbox(clock)
  const app = await starts(sandbox, journal)
  await ticked(app, 1)
  clock.advance(300)
  await app.stop({ save: true })
  await app.activate()
  clock.advance(699)
  expect(app.health().turns).toBe(1)
  clock.advance(1)
  await ticked(app, 2)
  await app.stop({ save: true })
  clock.advance(5_500)
  await app.activate()
  await ticked(app, 3)
  expect(app.health().missedTicks).toBe(0)
})

test('Another period begins anew, and so does what no clock can have told.', async () => {
  const clock = new FakeClock()
  const { sandbox, journal } = testSandbox(clock)
  sandbox.timers.came(key, { dueAt: clock.monotonic() + 400, periodMs: 500 })
  await ticked(await starts(sandbox, journal), 1)
  sandbox.timers.came(key, { dueAt: clock.monotonic() + 2_001, periodMs: 2_000 })
  await ticked(await starts(sandbox, journal, 2_000), 1)
  sandbox.timers.came(key, { dueAt: 0, periodMs: 1_000 })
  sandbox.timers.came(key, null)
  expect(sandbox.timers.take(key)).toBeNull()
})
