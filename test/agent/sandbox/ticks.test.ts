import { afterEach, expect, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { instanceOf, sectionOf, testSandbox } from '../../support/sandbox.ts'
import { guestModule, limitsOf } from '../../support/sandbox-guest.ts'

const running: { stop(options: { save: boolean }): Promise<unknown> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.stop({ save: false })))
})

const counter = {
  imports: ['host/telemetry#emit'],
  exports: {
    'module/timer#tick': `
      (global.set $count (f64.add (global.get $count) (f64.const 1)))
      (call $telemetry.emit (i32.const 8) (i32.const 5) (global.get $count) (i32.const 512))`,
  },
  fields: `(global $count (mut f64) (f64.const 0)) (data (i32.const 8) "count")`,
}

test('A timer ticks at once and then each period, and each turn is journaled with its samples.', async () => {
  const clock = new FakeClock()
  const { sandbox, journal } = testSandbox(clock)
  const app = await sandbox.prepare(sectionOf([await guestModule('counter', counter, { timerMs: 1_000 })]), journal)
  running.push(app)
  expect(app.loaded[0]!.exports).toEqual(['hypha:module/timer@0.1.0'])
  await app.activate()
  await journal.until((turns) => turns.length === 1)
  clock.advance(1_000)
  await journal.until((turns) => turns.length === 2)
  expect(journal.of(instanceOf('counter')).map(({ samples }) => samples.map(({ value }) => value))).toEqual([[1], [2]])
  expect(app.instances()[0]).toMatchObject({
    module: 'counter',
    home: 'pi-7',
    status: 'running',
    turns: 2,
    restarts: 0,
  })
})

test('A tick that is due while one waits is dropped and counted, never queued.', async () => {
  const clock = new FakeClock()
  const { sandbox, journal, events } = testSandbox(clock, {}, () => reading)
  const { promise: reading, resolve: answer } = Promise.withResolvers<unknown>()
  const slow = {
    imports: ['host/sensor#read', 'host/telemetry#emit'],
    exports: {
      'module/timer#tick': `
        (call $sensor.read (i32.const 8) (i32.const 5) (i32.const 512))
        (call $telemetry.emit (i32.const 8) (i32.const 5) (f64.load (i32.const 520)) (i32.const 528))`,
    },
    fields: '(data (i32.const 8) "count")',
  }
  const module = await guestModule('slow', slow, { timerMs: 100, limits: limitsOf({ turnMs: 60_000 }) })
  const app = await sandbox.prepare(sectionOf([module]), journal)
  running.push(app)
  await app.activate()
  // While the first tick waits for its sensor, one more may wait; the other four are dropped.
  clock.advance(500)
  answer({ tag: 'ok', val: 4.5 })
  await journal.until((turns) => turns.length === 2)
  expect(app.health()).toMatchObject({ turns: 2, missedTicks: 4 })
  // The first is told at once, the others together some time later.
  expect(events.map(({ code, text }) => [code, text.split(':')[0]])).toEqual([['ticks-missed', '1 tick was missed']])
  expect(journal.turns[0]!.samples).toMatchObject([{ metric: 'count', value: 4.5 }])
})
