import { afterEach, expect, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { inputOf, instanceOf, sectionOf, testSandbox } from '../../support/sandbox.ts'
import { guestModule } from '../../support/sandbox-guest.ts'

const running: { stop(options: { save: boolean }): Promise<unknown> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.stop({ save: false })))
})

/** Traps at inputs whose payload begins with "!", after it has emitted, logged and written to kv. */
const fragile = {
  imports: ['host/telemetry#emit', 'host/log#write', 'host/kv#set', 'host/kv#get'],
  exports: {
    'module/inbox#deliver': `
      (call $telemetry.emit (i32.const 8) (i32.const 4) (f64.const 1) (i32.const 512))
      (call $log.write (i32.const 1) (i32.const 16) (i32.const 5))
      (call $kv.get (i32.const 8) (i32.const 4) (i32.const 512))
      (call $telemetry.emit (i32.const 24) (i32.const 4) (f64.convert_i32_u (i32.load (i32.const 512))) (i32.const 512))
      (call $kv.set (i32.const 8) (i32.const 4) (local.get $p2) (local.get $p3) (i32.const 512))
      (if (i32.eq (i32.load8_u (local.get $p2)) (i32.const 33)) (then unreachable))`,
  },
  fields: `(data (i32.const 8) "seen") (data (i32.const 16) "hello") (data (i32.const 24) "kept")`,
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

test('A trap discards the turn but its log lines; the input is tried once more after a wait, then kept as failed.', async () => {
  const clock = new FakeClock()
  const { sandbox, journal, event, events } = testSandbox(clock)
  const app = await sandbox.prepare(sectionOf([await guestModule('fragile', fragile)]), journal)
  running.push(app)
  await app.activate()
  const instance = instanceOf('fragile')
  app.deliver(instance, inputOf(1, 'a', text('!')))
  app.deliver(instance, inputOf(2, 'a', text('fine')))
  expect((await event('trapped')).text).toContain('unreachable')
  expect(app.instances()[0]).toMatchObject({ status: 'backoff', restarts: 0 })
  expect(journal.turns).toMatchObject([
    { input: null, outcome: 'failed', samples: [], kv: [], logs: [{ text: 'hello' }] },
  ])

  clock.advance(999)
  expect(app.instances()[0]!.status).toBe('backoff')
  clock.advance(1)
  await event('input-failed')
  expect(app.instances()[0]).toMatchObject({ status: 'backoff', restarts: 1 })
  expect(journal.turns.at(-1)).toMatchObject({ input: { number: 1 }, outcome: 'failed', samples: [], kv: [] })

  clock.advance(2_000)
  await journal.until((turns) => turns.at(-1)?.input?.number === 2)
  const last = journal.turns.at(-1)!
  expect(last).toMatchObject({ outcome: 'ok', kv: [{ key: 'seen' }] })
  expect(last.samples).toMatchObject([{ metric: 'seen' }, { metric: 'kept', value: 0 }])
  expect(app.health()).toMatchObject({ traps: 2, restarts: 2, failedInputs: 1, turns: 1 })
  expect(events.map(({ code }) => code)).toEqual(['trapped', 'trapped', 'input-failed'])
  expect(app.deliver(instance, inputOf(1))).toBe('done')
})

test('An input whose turn finds no memory is tried more often, so that it is still there when its instance is moved.', async () => {
  const clock = new FakeClock()
  const { sandbox, journal, events } = testSandbox(clock)
  const greedy = {
    exports: {
      'module/inbox#deliver': '(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable',
    },
  }
  const app = await sandbox.prepare(sectionOf([await guestModule('greedy', greedy)]), journal)
  running.push(app)
  await app.activate()
  app.deliver(instanceOf('greedy'), inputOf(1))
  const traps = () => events.filter(({ code }) => code === 'trapped').length
  for (const times of [1, 2, 3, 4, 5]) {
    await expect.poll(traps, { timeout: 20_000 }).toBe(times)
    expect(journal.turns).toEqual([])
    clock.advance(1_000 * 2 ** (times - 1))
  }
  await expect
    .poll(() => events.at(-1), { timeout: 20_000 })
    .toMatchObject({
      code: 'input-failed',
      text: 'an input on "topic" failed 6 times and is given up',
    })
  expect(journal.turns).toMatchObject([{ input: { number: 1 }, outcome: 'failed' }])
})

test('What a turn wrote to kv is there for the next turn, and after a trap as it was journaled.', async () => {
  const clock = new FakeClock()
  const { sandbox, journal, event } = testSandbox(clock)
  const app = await sandbox.prepare(sectionOf([await guestModule('fragile', fragile)]), journal)
  running.push(app)
  await app.activate()
  const instance = instanceOf('fragile')
  app.deliver(instance, inputOf(1, 'a', text('one')))
  app.deliver(instance, inputOf(2, 'a', text('!')))
  await event('trapped')
  clock.advance(1_000)
  await event('input-failed')
  expect(journal.kv(instance)).toEqual(new Map([['seen', text('one')]]))
  clock.advance(2_000)
  app.deliver(instance, inputOf(3, 'a', text('two')))
  await journal.until((turns) => turns.at(-1)?.input?.number === 3)
  expect(journal.turns.at(-1)!.samples[1]).toMatchObject({ metric: 'kept', value: 1 })
})

test('The wait doubles with each failure, up to its longest, and begins anew after a healthy time.', async () => {
  const clock = new FakeClock()
  const source = { exports: { 'module/timer#tick': 'unreachable' } }
  const { sandbox, journal, events } = testSandbox(clock, { maxBackoffMs: 4_000 })
  const app = await sandbox.prepare(sectionOf([await guestModule('bad', source, { timerMs: 100 })]), journal)
  running.push(app)
  let wake: () => void = () => undefined
  app.onChange(() => wake())
  const backoffs = async (count: number): Promise<void> => {
    while (events.length < count || app.instances()[0]!.status !== 'backoff') {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  const waits: (string | undefined)[] = []
  await app.activate()
  for (const [index, waitMs] of [1_000, 2_000, 4_000, 4_000].entries()) {
    await backoffs(index + 1)
    waits.push(/after (\d+ s)/.exec(app.instances()[0]!.error ?? '')?.[1])
    clock.advance(waitMs)
  }
  expect(waits).toEqual(['1 s', '2 s', '4 s', '4 s'])
})
