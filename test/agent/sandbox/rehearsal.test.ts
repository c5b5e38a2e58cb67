import { afterEach, expect, test } from 'vitest'
import type { PreparedApp } from '../../../agent/sandbox/sandbox.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { inputOf, instanceOf, sectionOf, type TestSandbox, testSandbox } from '../../support/sandbox.ts'
import { type GuestSource, guestModule } from '../../support/sandbox-guest.ts'

const running: PreparedApp[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.stop({ save: false })))
})

const instance = instanceOf('counter')
const state = (restore: string, save = ''): GuestSource['exports'] => ({
  'module/state#save': `${save}
    (i32.store (i32.const 520) (i32.const 0)) (i32.store (i32.const 524) (i32.const 1)) (i32.const 520)`,
  'module/state#restore': `${restore}
    (i32.store8 (i32.const 0) (i32.load8_u (local.get $p2)))
    (i32.store8 (i32.const 528) (i32.const 0)) (i32.const 528)`,
})

/** Counts its inputs in a byte, which is its state, and emits the count. */
const counter = (restore = '', save = ''): GuestSource => ({
  imports: ['host/telemetry#emit', 'host/log#write', 'host/kv#set'],
  exports: {
    'module/inbox#deliver': `
      (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 1)))
      (call $telemetry.emit (i32.const 8) (i32.const 1) (f64.convert_i32_u (i32.load8_u (i32.const 0))) (i32.const 512))`,
    ...state(restore, save),
  },
  fields: '(data (i32.const 8) "n") (data (i32.const 32) "no!")',
})

const refuse = `(i32.store8 (i32.const 528) (i32.const 1)) (i32.store (i32.const 532) (i32.const 32)) (i32.store (i32.const 536) (i32.const 3))
  (return (i32.const 528))`
const note = '(call $log.write (i32.const 1) (i32.const 8) (i32.const 1))'
const setKv = '(call $kv.set (i32.const 8) (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 540))'

async function prepare({ sandbox, journal }: TestSandbox, source: GuestSource): Promise<PreparedApp> {
  const app = await sandbox.prepare(sectionOf([await guestModule('counter', source)]), journal)
  running.push(app)
  return app
}

async function oneThatRuns(test: TestSandbox, save = ''): Promise<PreparedApp> {
  const old = await prepare(test, counter('', save))
  await old.activate()
  for (const number of [1, 2, 3]) old.deliver(instance, inputOf(number))
  await test.journal.until((turns) => turns.at(-1)?.input?.number === 3)
  return old
}

test('A rehearsal restores what the old release would save now, and leaves no trace: neither in the journal nor in what runs later.', async () => {
  const all = testSandbox(new FakeClock())
  const old = await oneThatRuns(all)
  const next = await prepare(all, counter(note))
  const before = all.journal.turns.length
  expect(await next.rehearse(old)).toEqual({ restoreMs: expect.any(Number), stateBytes: 1 })
  expect(await next.rehearse(old)).toEqual({ restoreMs: expect.any(Number), stateBytes: 1 })
  expect(all.journal.turns).toHaveLength(before)
  // Both go on: the old one where it was, and the new one with what is saved at the flip.
  old.deliver(instance, inputOf(4))
  await all.journal.until((turns) => turns.at(-1)?.input?.number === 4)
  await all.sandbox.swap(old, next, { budgetMs: 60_000, saved: () => undefined })
  next.deliver(instance, inputOf(5))
  await all.journal.until((turns) => turns.at(-1)?.input?.number === 5)
  expect(all.journal.turns.flatMap(({ samples }) => samples.map(({ value }) => value))).toEqual([1, 2, 3, 4, 5])
  expect(all.journal.turns.flatMap(({ logs }) => logs)).toHaveLength(1)
})

test('What the old release logs as it saves is journaled, as that of any turn is.', async () => {
  const all = testSandbox(new FakeClock())
  const old = await oneThatRuns(all, note)
  const next = await prepare(all, counter())
  await next.rehearse(old)
  expect(all.journal.turns.at(-1)).toMatchObject({ logs: [{ text: 'n' }], state: null })
})

test.each([
  ['refuses the state', refuse, 'state-refused'],
  ['traps on it', 'unreachable', 'turn-trapped'],
])(
  'A release that %s fails its rehearsal with what it would fail with at the flip, and the old one is not touched.',
  async (_title, restore, code) => {
    const all = testSandbox(new FakeClock())
    const old = await oneThatRuns(all)
    const next = await prepare(all, counter(restore))
    await expect(next.rehearse(old)).rejects.toMatchObject({ code })
    old.deliver(instance, inputOf(4))
    await all.journal.until((turns) => turns.at(-1)?.input?.number === 4)
    expect(old.instances()[0]).toMatchObject({ status: 'running', restarts: 0 })
  },
)

test('A release whose restore asks for more than log, clock and config is not known to work, and works at the flip.', async () => {
  const all = testSandbox(new FakeClock())
  const old = await oneThatRuns(all)
  const next = await prepare(all, counter(setKv))
  expect(await next.rehearse(old)).toBeNull()
  expect([...all.journal.kv(instance).keys()]).toEqual([])
  await all.sandbox.swap(old, next, { budgetMs: 60_000, saved: () => undefined })
  expect([...all.journal.kv(instance).keys()]).toEqual(['n'])
})

test('A release that does not return from restore is ended at its deadline, and fails its rehearsal.', async () => {
  const clock = new FakeClock()
  const all = testSandbox(clock)
  const old = await oneThatRuns(all)
  const next = await prepare(all, counter('(loop $ever (br $ever))'))
  await old.stop({ save: true })
  const rehearsing = expect(next.rehearse(null)).rejects.toMatchObject({ code: 'turn-deadline' })
  while (clock.waiting === 0) await new Promise((resolve) => setImmediate(resolve))
  clock.advance(2_001)
  await rehearsing
})

test('Where nothing runs, the last checkpoint is what is restored; where there is no state, there is nothing to rehearse.', async () => {
  const all = testSandbox(new FakeClock())
  const fresh = await prepare(all, counter())
  expect(await fresh.rehearse(null)).toBeNull()
  const old = await oneThatRuns(all)
  await old.stop({ save: true })
  expect(await fresh.rehearse(null)).toMatchObject({ stateBytes: 1 })
  expect(await fresh.rehearse(old)).toMatchObject({ stateBytes: 1 })
  const stateless = await prepare(all, { exports: { 'module/inbox#deliver': '' } })
  expect(await stateless.rehearse(old)).toBeNull()
})
