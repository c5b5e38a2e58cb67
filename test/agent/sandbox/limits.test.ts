import { afterEach, expect, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { instanceOf, sectionOf, testSandbox } from '../../support/sandbox.ts'
import { type GuestSource, type GuestSpec, guestModule, limitsOf } from '../../support/sandbox-guest.ts'

const running: { stop(options: { save: boolean }): Promise<unknown> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.stop({ save: false })))
})

const neighbour: GuestSource = {
  imports: ['host/telemetry#emit'],
  exports: { 'module/timer#tick': '(call $telemetry.emit (i32.const 8) (i32.const 2) (f64.const 1) (i32.const 512))' },
  fields: '(data (i32.const 8) "ok")',
}

/** A hostile app and a neighbour app with a timer of 100 ms, side by side. */
async function sideBySide(source: GuestSource, spec: GuestSpec = {}) {
  const clock = new FakeClock()
  const test = testSandbox(clock)
  const { sandbox, journal } = test
  const quiet = await guestModule('neighbour', neighbour, { timerMs: 100 })
  const hostile = await guestModule('hostile', source, { timerMs: 3_600_000, ...spec })
  const good = await sandbox.prepare(sectionOf([quiet], { app: 'good' }), journal)
  const bad = await sandbox.prepare(sectionOf([hostile], { app: 'bad' }), journal)
  running.push(good, bad)
  const ticks = (): number => journal.of(instanceOf('neighbour', 'good')).length
  await good.activate()
  await journal.until(() => ticks() === 1)
  return {
    ...test,
    clock,
    good,
    bad,
    /** Lets so many periods of the neighbour pass, each of which must bring its tick. */
    async neighbourTicks(count: number) {
      for (let index = 0; index < count; index++) {
        const before = ticks()
        clock.advance(100)
        await journal.until(() => ticks() === before + 1)
      }
    },
  }
}

test('A module that loops without end is ended at its deadline, and its neighbour misses no tick.', async () => {
  const { bad, good, neighbourTicks, event } = await sideBySide(
    { exports: { 'module/timer#tick': '(loop $l (br $l))' } },
    { limits: limitsOf({ turnMs: 1_000 }) },
  )
  await bad.activate()
  await neighbourTicks(9)
  expect(bad.instances()[0]!.status).toBe('running')
  await neighbourTicks(1)
  expect((await event('deadline')).instance).toMatchObject({ app: 'bad', module: 'hostile' })
  expect(bad.instances()[0]!.status).toBe('backoff')
  await neighbourTicks(3)
  expect(good.health()).toMatchObject({ turns: 14, missedTicks: 0, traps: 0 })
})

test('A module that grows its memory without end gets what it is given and no more, and its neighbour misses no tick.', async () => {
  const { bad, journal, good, neighbourTicks } = await sideBySide(
    {
      imports: ['host/telemetry#emit'],
      exports: {
        'module/timer#tick': `
          (loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
          (call $telemetry.emit (i32.const 8) (i32.const 5) (f64.convert_i32_u (memory.size)) (i32.const 512))`,
      },
      fields: '(data (i32.const 8) "pages")',
      memory: '1 65536',
    },
    { limits: limitsOf({ memoryBytes: 5 * 65_536 }) },
  )
  await bad.activate()
  await journal.until((turns) => turns.some(({ instance }) => instance.app === 'bad'))
  expect(journal.of(instanceOf('hostile', 'bad'))[0]!.samples).toMatchObject([{ metric: 'pages', value: 5 }])
  await neighbourTicks(2)
  expect(good.health()).toMatchObject({ missedTicks: 0 })
})

test('A module that floods is throttled and told so, one event says how much was dropped, and its neighbour misses no tick.', async () => {
  const { bad, journal, good, neighbourTicks, event } = await sideBySide(
    {
      imports: ['host/telemetry#emit', 'host/log#write', 'host/messages#publish'],
      exports: {
        'module/timer#tick': `
          (local $i i32)
          (loop $l
            (call $telemetry.emit (i32.const 8) (i32.const 5) (f64.const 1) (i32.const 512))
            (global.set $refused (i32.add (global.get $refused) (i32.load8_u (i32.const 512))))
            (call $log.write (i32.const 3) (i32.const 8) (i32.const 5))
            (call $messages.publish (i32.const 8) (i32.const 5) (i32.const 8) (i32.const 5) (i32.const 512))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (i32.const 20000))))
          (if (i32.eqz (global.get $refused)) (then unreachable))`,
      },
      fields: '(global $refused (mut i32) (i32.const 0)) (data (i32.const 8) "flood")',
    },
    { limits: limitsOf({ telemetryPerS: 50, messagesPerS: 5, turnMs: 60_000 }), publish: ['flood'] },
  )
  await bad.activate()
  const { text } = await event('throttled')
  const [, samples, messages, lines] = /(\d+) samples, (\d+) messages, (\d+) log lines dropped/.exec(text)!.map(Number)
  const [record] = journal.of(instanceOf('hostile', 'bad'))
  // Each was either kept or counted.
  expect(record!.samples.length + samples!).toBe(20_000)
  expect(record!.messages.length + messages!).toBe(20_000)
  expect(record!.logs.length + lines!).toBe(20_000)
  expect(record!.messages.length).toBeLessThan(1_000)
  await neighbourTicks(2)
  expect(good.health()).toMatchObject({ missedTicks: 0 })
})

test('A module that passes more to the host than a cell holds ends only its own cell.', async () => {
  const { bad, event, neighbourTicks } = await sideBySide(
    {
      imports: ['host/log#write'],
      exports: { 'module/timer#tick': '(call $log.write (i32.const 1) (i32.const 1024) (i32.const 63000000))' },
      memory: '1000',
    },
    { limits: limitsOf({ memoryBytes: 1_000 * 65_536 }) },
  )
  await bad.activate()
  expect((await event('trapped')).text).toContain('over the cap')
  await neighbourTicks(2)
})

test('A module that recurses without end traps, and its neighbour misses no tick.', async () => {
  const { bad, event, neighbourTicks } = await sideBySide({
    exports: { 'module/timer#tick': '(call $again (i64.const 1))' },
    fields: '(func $again (param i64) (call $again (i64.add (local.get 0) (i64.const 1))) (drop (i64.const 1)))',
  })
  await bad.activate()
  expect((await event('trapped')).text).toContain('call stack')
  await neighbourTicks(2)
})

test('A module that needs more memory than it is given is refused as it is prepared.', async () => {
  const { sandbox, journal } = testSandbox(new FakeClock())
  const module = await guestModule('big', { memory: '20' }, { limits: limitsOf({ memoryBytes: 65_536 }) })
  await expect(sandbox.prepare(sectionOf([module]), journal)).rejects.toMatchObject({ code: 'wasm-memory' })
})

test('A start function that loops without end is ended as the app is prepared.', async () => {
  const clock = new FakeClock()
  const { sandbox, journal } = testSandbox(clock, { loadMs: 1_000 })
  const module = await guestModule('stuck', { fields: '(func $main (loop $l (br $l))) (start $main)' })
  const preparing = sandbox.prepare(sectionOf([module]), journal)
  const ended = expect(preparing).rejects.toMatchObject({ code: 'turn-deadline' })
  while (clock.waiting === 0) await new Promise((resolve) => setImmediate(resolve))
  clock.advance(1_000)
  await ended
})
