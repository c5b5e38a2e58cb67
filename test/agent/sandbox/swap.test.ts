import { afterEach, expect, test } from 'vitest'
import type { PreparedApp } from '../../../agent/sandbox/sandbox.ts'
import type { RunnableSection } from '../../../agent/turns.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { inputOf, instanceOf, sectionOf, type TestSandbox, testSandbox } from '../../support/sandbox.ts'
import { type GuestSource, guestModule } from '../../support/sandbox-guest.ts'

const running: PreparedApp[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.stop({ save: false })))
})

const instance = instanceOf('counter')

/** Counts its inputs in a byte, which is its state, and emits the count under its version. `restore` and `start` are run first. */
const counter = (version: number, given: { save?: string; restore?: string; start?: string } = {}): GuestSource => ({
  imports: ['host/telemetry#emit', 'host/kv#set', 'host/log#write'],
  exports: {
    'module/inbox#deliver': `
      (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 1)))
      (call $telemetry.emit (i32.const 8) (i32.const 2) (f64.convert_i32_u (i32.load8_u (i32.const 0))) (i32.const 512))`,
    'module/state#save': `${given.save ?? ''}
      (i32.store (i32.const 520) (i32.const 0)) (i32.store (i32.const 524) (i32.const 1)) (i32.const 520)`,
    'module/state#restore': `${given.restore ?? ''}
      (i32.store8 (i32.const 0) (i32.load8_u (local.get $p2)))
      (i32.store8 (i32.const 528) (i32.const 0)) (i32.const 528)`,
    'module/lifecycle#start': `
      (call $kv.set (i32.const 8) (i32.const 2) (i32.const 8) (i32.const 2) (i32.const 512))
      ${given.start ?? ''}
      (call $telemetry.emit (i32.const 16) (i32.const 5) (f64.convert_i32_u (i32.load8_u (i32.const 0))) (i32.const 512))`,
    'module/lifecycle#stop': `
      (call $kv.set (i32.const 24) (i32.const 4) (i32.const 8) (i32.const 2) (i32.const 512))
      (call $telemetry.emit (i32.const 24) (i32.const 4) (f64.const ${version}) (i32.const 512))`,
  },
  fields: `(data (i32.const 8) "v${version}") (data (i32.const 16) "start") (data (i32.const 24) "stop") (data (i32.const 32) "no!")`,
})

const refuse = `(i32.store8 (i32.const 528) (i32.const 1)) (i32.store (i32.const 532) (i32.const 32)) (i32.store (i32.const 536) (i32.const 3))
  (return (i32.const 528))`
const loop = '(loop $ever (br $ever))'

async function release(version: number, given: Parameters<typeof counter>[1] = {}): Promise<RunnableSection> {
  const module = await guestModule('counter', counter(version, given))
  return { ...sectionOf([module], { release: `${version}${version}`.repeat(32) }), epoch: version }
}

async function prepare({ sandbox, journal }: TestSandbox, section: RunnableSection): Promise<PreparedApp> {
  const app = await sandbox.prepare(section, journal)
  running.push(app)
  return app
}

const lines = ({ journal }: TestSandbox): string[] =>
  journal.turns.flatMap(({ samples }) => samples.map(({ metric, value }) => `${metric} ${value}`))

const handledBy = ({ journal }: TestSandbox): [number, number][] =>
  journal.turns.flatMap(({ input, epoch }) => (input === null ? [] : [[input.number, epoch] as [number, number]]))

/** An app that has handled inputs 1 to 3. */
async function oneThatRuns(test: TestSandbox, given: Parameters<typeof counter>[1] = {}): Promise<PreparedApp> {
  const old = await prepare(test, await release(1, given))
  await old.activate()
  for (const number of [1, 2, 3]) old.deliver(instance, inputOf(number))
  await test.journal.until((turns) => turns.at(-1)?.input?.number === 3)
  return old
}

const plenty = { budgetMs: 60_000, saved: () => undefined }

test('Inputs that wait at the flip run in the new release, in order, with the state of the old one, which is told to stop afterwards.', async () => {
  const all = testSandbox(new FakeClock())
  const old = await oneThatRuns(all)
  const next = await prepare(all, await release(2))
  // While turns run, more comes to the old one, and then to the new one.
  for (const number of [4, 5]) old.deliver(instance, inputOf(number))
  const atFlip: unknown[] = []
  const swapping = all.sandbox.swap(old, next, {
    ...plenty,
    saved: () => atFlip.push(all.journal.state(instance), lines(all).includes('start 4')),
  })
  for (const number of [6, 7]) next.deliver(instance, inputOf(number))
  old.deliver(instance, inputOf(7))
  const swapped = await swapping
  // Who hasn't heard of the flip yet goes on with the old one.
  old.deliver(instance, inputOf(8))
  next.deliver(instance, inputOf(9))
  await all.journal.until(() => handledBy(all).length === 9)
  await old.stop({ save: false })
  expect(handledBy(all).map(([number]) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  const flip = handledBy(all).findIndex(([, epoch]) => epoch === 2)
  expect(atFlip).toEqual([{ release: '11'.repeat(32), bytes: Uint8Array.of(flip) }, false])
  expect(swapped).toMatchObject({ before: flip, carried: 7 - flip })
  expect(await swapped.settled).toEqual({ after: 7 - flip, lost: 0, doubled: 0 })
  const told = lines(all)
  expect(told.filter((line) => line !== 'stop 1')).toEqual([
    'start 0',
    ...Array.from({ length: flip }, (_, index) => `v1 ${index + 1}`),
    `start ${flip}`,
    ...Array.from({ length: 9 - flip }, (_, index) => `v2 ${flip + index + 1}`),
  ])
  expect(told.indexOf('stop 1')).toBeGreaterThan(told.indexOf(`start ${flip}`))
  // What the old one writes to kv after the flip is not what the new one has read.
  expect([...all.journal.kv(instance).keys()]).toEqual(['v1', 'v2'])
})

const failures: [string, Parameters<typeof counter>[1], string][] = [
  ['refuses the state', { restore: refuse }, 'state-refused'],
  ['traps in restore', { restore: 'unreachable' }, 'turn-trapped'],
  ['traps in start', { start: 'unreachable' }, 'turn-trapped'],
]

test.each(failures)(
  'A release that %s is ended, and the old one goes on where it was, with all that waited.',
  async (_title, given, code) => {
    const all = testSandbox(new FakeClock())
    const old = await oneThatRuns(all)
    const next = await prepare(all, await release(2, given))
    let saved = 0
    const swapping = all.sandbox.swap(old, next, { ...plenty, saved: () => saved++ })
    for (const number of [4, 5]) next.deliver(instance, inputOf(number))
    await expect(swapping).rejects.toMatchObject({ code })
    old.deliver(instance, inputOf(6))
    await all.journal.until((turns) => turns.at(-1)?.input?.number === 6)
    expect(saved).toBe(0)
    expect(handledBy(all).map(([number]) => number)).toEqual([1, 2, 3, 4, 5, 6])
    // The old one was neither told to stop nor started anew.
    expect(lines(all)).toEqual(['start 0', 'v1 1', 'v1 2', 'v1 3', 'v1 4', 'v1 5', 'v1 6'])
    expect([...all.journal.kv(instance).keys()]).toEqual(['v1'])
    expect(next.instances()[0]!.status).toBe('failed')
    expect(old.instances()[0]).toMatchObject({ status: 'running', restarts: 0 })
  },
)

test('A release that is not ready within the budget is ended, whatever it does, and the old one goes on.', async () => {
  const clock = new FakeClock()
  const all = testSandbox(clock)
  const old = await oneThatRuns(all)
  const next = await prepare(all, await release(2, { start: loop }))
  const swapping = all.sandbox.swap(old, next, { budgetMs: 250, saved: () => undefined })
  next.deliver(instance, inputOf(4))
  const refused = expect(swapping).rejects.toMatchObject({ code: 'swap-over-budget' })
  await all.journal.until((turns) => turns.some(({ state }) => state !== null))
  clock.advance(251)
  await refused
  old.deliver(instance, inputOf(5))
  await all.journal.until((turns) => turns.at(-1)?.input?.number === 5)
  expect(lines(all)).toEqual(['start 0', 'v1 1', 'v1 2', 'v1 3', 'v1 4', 'v1 5'])
})

test('An old release that traps as it saves goes on from its last checkpoint, with all that waited.', async () => {
  const clock = new FakeClock()
  const all = testSandbox(clock)
  const old = await oneThatRuns(all, { save: 'unreachable' })
  const next = await prepare(all, await release(2))
  const swapping = all.sandbox.swap(old, next, plenty)
  for (const number of [4, 5]) next.deliver(instance, inputOf(number))
  await expect(swapping).rejects.toMatchObject({ code: 'turn-trapped' })
  expect((await all.event('trapped')).text).toContain('the state goes back')
  clock.advance(1_000)
  await all.journal.until((turns) => turns.at(-1)?.input?.number === 5)
  expect(handledBy(all)).toEqual([1, 2, 3, 4, 5].map((number) => [number, 1]))
})

test('Where the flip can not be written down, the old release goes on, and nothing of the new one is journaled.', async () => {
  const all = testSandbox(new FakeClock())
  const old = await oneThatRuns(all)
  const next = await prepare(all, await release(2))
  const saved = () => {
    throw new Error('the disk is full')
  }
  const swapping = all.sandbox.swap(old, next, { budgetMs: 60_000, saved })
  next.deliver(instance, inputOf(4))
  await expect(swapping).rejects.toThrow('the disk is full')
  old.deliver(instance, inputOf(5))
  await all.journal.until((turns) => turns.at(-1)?.input?.number === 5)
  expect(lines(all)).toEqual(['start 0', 'v1 1', 'v1 2', 'v1 3', 'v1 4', 'v1 5'])
})

test('What an earlier release took over, the next one takes over in its turn.', async () => {
  const all = testSandbox(new FakeClock())
  let current = await oneThatRuns(all)
  for (const version of [2, 3, 4, 5]) {
    const next = await prepare(all, await release(version))
    for (let number = 0; number < 20; number++) current.deliver(instance, inputOf(version * 100 + number))
    await all.sandbox.swap(current, next, plenty)
    current = next
  }
  await all.journal.until((turns) => turns.at(-1)?.input?.number === 519)
  const numbers = handledBy(all).map(([number]) => number)
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  expect(numbers).toHaveLength(83)
  expect(lines(all).at(-1)).toBe('v5 83')
})

test('An app that did not run is opened by the same way, whatever the budget.', async () => {
  const all = testSandbox(new FakeClock())
  const next = await prepare(all, await release(1))
  next.deliver(instance, inputOf(1))
  const swapped = await all.sandbox.swap(null, next, { budgetMs: 0, saved: () => undefined })
  expect(swapped).toMatchObject({ carried: 1, before: 0 })
  expect(await swapped.settled).toEqual({ after: 1, lost: 0, doubled: 0 })
  expect(lines(all)).toEqual(['start 0', 'v1 1'])
})

test('Ticks go on at their moments through a swap: none is missed, none comes between.', async () => {
  const clock = new FakeClock()
  const all = testSandbox(clock)
  const ticking: GuestSource = {
    imports: ['host/telemetry#emit'],
    exports: {
      'module/timer#tick': '(call $telemetry.emit (i32.const 8) (i32.const 4) (f64.const 1) (i32.const 512))',
    },
    fields: '(data (i32.const 8) "tick")',
  }
  const section = sectionOf([await guestModule('clock', ticking, { timerMs: 1_000 })])
  const old = await prepare(all, section)
  const next = await prepare(all, { ...section, epoch: 2 })
  await old.activate()
  await all.journal.until((turns) => turns.length === 1)
  clock.advance(1_000)
  await all.journal.until((turns) => turns.length === 2)
  clock.advance(500)
  await all.sandbox.swap(old, next, plenty)
  clock.advance(499)
  expect(all.journal.turns).toHaveLength(2)
  clock.advance(1)
  await all.journal.until((turns) => turns.length === 3)
  expect(all.journal.turns.map(({ epoch }) => epoch)).toEqual([1, 1, 2])
  expect(next.health().missedTicks).toBe(0)
})
