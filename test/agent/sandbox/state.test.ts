import { afterEach, expect, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { inputOf, instanceOf, sectionOf, testSandbox } from '../../support/sandbox.ts'
import { guestModule } from '../../support/sandbox-guest.ts'

const running: { stop(options: { save: boolean }): Promise<unknown> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.stop({ save: false })))
})

/** Counts its inputs in a byte, which is its state, and emits the count. The version tells releases apart. Traps when told "!". */
const counter = (version: number, restore = '') => ({
  imports: ['host/telemetry#emit'],
  exports: {
    'module/inbox#deliver': `
      (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 1)))
      (if (local.get $p3) (then (if (i32.eq (i32.load8_u (local.get $p2)) (i32.const 33)) (then unreachable))))
      (call $telemetry.emit (i32.const 8) (i32.const 2) (f64.convert_i32_u (i32.load8_u (i32.const 0))) (i32.const 512))`,
    'module/state#save': `
      (i32.store (i32.const 520) (i32.const 0)) (i32.store (i32.const 524) (i32.const 1)) (i32.const 520)`,
    'module/state#restore': `
      ${restore}
      (i32.store8 (i32.const 0) (i32.load8_u (local.get $p2)))
      (i32.store8 (i32.const 528) (i32.const 0)) (i32.const 528)`,
    'module/lifecycle#start': `
      (call $telemetry.emit (i32.const 16) (i32.const 5) (f64.convert_i32_u (i32.load8_u (i32.const 0))) (i32.const 512))`,
    'module/lifecycle#stop': `
      (call $telemetry.emit (i32.const 24) (i32.const 4) (f64.const ${version}) (i32.const 512))`,
  },
  fields: `(data (i32.const 8) "v${version}") (data (i32.const 16) "start") (data (i32.const 24) "stop") (data (i32.const 32) "no!")`,
})

const instance = instanceOf('counter')

test('A swap carries the state from the old version to the new one, and nothing is counted twice.', async () => {
  const { sandbox, journal } = testSandbox(new FakeClock())
  const old = await sandbox.prepare(
    sectionOf([await guestModule('counter', counter(1))], { release: '11'.repeat(32) }),
    journal,
  )
  await old.activate()
  for (const number of [1, 2, 3]) old.deliver(instance, inputOf(number))
  await journal.until((turns) => turns.at(-1)?.input?.number === 3)
  // Prepared while the old one runs; it takes the state when it is activated.
  const next = await sandbox.prepare(
    sectionOf([await guestModule('counter', counter(2))], { release: '22'.repeat(32) }),
    journal,
  )
  running.push(next)
  old.deliver(instance, inputOf(4))
  await journal.until((turns) => turns.at(-1)?.input?.number === 4)
  await old.stop({ save: true })
  expect(journal.state(instance)).toEqual({ release: '11'.repeat(32), bytes: Uint8Array.of(4) })
  await next.activate()
  next.deliver(instance, inputOf(4))
  next.deliver(instance, inputOf(5))
  await journal.until((turns) => turns.at(-1)?.input?.number === 5)
  const values = journal.turns.flatMap(({ samples }) => samples.map(({ metric, value }) => `${metric} ${value}`))
  expect(values).toEqual(['start 0', 'v1 1', 'v1 2', 'v1 3', 'v1 4', 'stop 1', 'start 4', 'v2 5'])
})

test('A version that refuses the state is not activated, and the old one can go on.', async () => {
  const { sandbox, journal } = testSandbox(new FakeClock())
  const old = await sandbox.prepare(sectionOf([await guestModule('counter', counter(1))]), journal)
  running.push(old)
  await old.activate()
  old.deliver(instance, inputOf(1))
  await journal.until((turns) => turns.at(-1)?.input?.number === 1)
  const refusing = `(i32.store8 (i32.const 528) (i32.const 1)) (i32.store (i32.const 532) (i32.const 32)) (i32.store (i32.const 536) (i32.const 3))
    (return (i32.const 528))`
  const next = await sandbox.prepare(sectionOf([await guestModule('counter', counter(2, refusing))]), journal)
  await old.stop({ save: true })
  await expect(next.activate()).rejects.toMatchObject({
    code: 'state-refused',
    message: expect.stringContaining('no!'),
  })
  expect(next.instances()[0]!.status).toBe('failed')
  await old.activate()
  old.deliver(instance, inputOf(2))
  await journal.until((turns) => turns.at(-1)?.input?.number === 2)
  expect(journal.turns.at(-1)!.samples).toMatchObject([{ metric: 'v1', value: 2 }])
})

test('A checkpoint is taken every so many turns; after a trap the instance goes on from it, and the event says how far it goes back.', async () => {
  const clock = new FakeClock()
  const { sandbox, journal, event } = testSandbox(clock, { checkpointTurns: 3 })
  const app = await sandbox.prepare(sectionOf([await guestModule('counter', counter(1))]), journal)
  running.push(app)
  await app.activate()
  for (const number of [1, 2, 3, 4, 5]) app.deliver(instance, inputOf(number))
  await journal.until((turns) => turns.at(-1)?.input?.number === 5)
  const saved = journal.turns.filter(({ state }) => state !== null)
  // The start was the first of the three turns.
  expect(saved.map(({ input, state }) => [input?.number, [...state!.bytes]])).toEqual([
    [2, [2]],
    [5, [5]],
  ])
  app.deliver(instance, inputOf(6))
  app.deliver(instance, inputOf(7, 'a', new TextEncoder().encode('!')))
  expect((await event('trapped')).text).toContain('the state goes back 1 turns, to the last checkpoint')
  clock.advance(1_000)
  await journal.until((turns) => turns.at(-1)?.samples[0]?.metric === 'start')
  expect(journal.turns.at(-1)!.samples[0]!.value).toBe(5)
})
