import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHelper } from '../../../agent/helper/start.ts'
import { connectHelper, type HelperClient } from '../../../agent/host/helper-client.ts'
import type { HostCall } from '../../../agent/host/host.ts'
import { ProcessTransport, type Transpile, transpiler } from '../../../agent/sandbox/process-transport.ts'
import { adaptedGuest, componentGuest, halvingGuest } from '../../support/component-guest.ts'
import { inputOf, instanceOf, sectionOf, type TestSandbox, testSandbox } from '../../support/sandbox.ts'
import { guestModule, limitsOf } from '../../support/sandbox-guest.ts'

let home: string
let helper: HelperClient
let transpile: Transpile

beforeAll(async () => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'hypha-home-')))
  writeFileSync(join(home, 'agent.toml'), 'components = true\n')
  helper = connectHelper((await startHelper(home))!)
  transpile = transpiler(() => helper.open('transpile'))
})
afterAll(() => {
  helper.stop()
  rmSync(home, { recursive: true })
})

function sandboxWith(call?: (call: HostCall) => unknown): TestSandbox {
  return testSandbox(systemClock, { backoffMs: 10 }, call, () => new ProcessTransport(helper.open('run'), transpile))
}

const emitTwice = '(call $emit-twice (f64.convert_i32_u (i32.load8_u (local.get $at))))'

test('A component of two core modules with texts in UTF-16 runs in a process of its own, turn by turn, as a core form does.', async () => {
  const { sandbox, journal } = sandboxWith()
  const module = await componentGuest('pair', { deliver: emitTwice })
  const app = await sandbox.prepare(sectionOf([module]), journal)
  await app.activate()
  app.deliver(instanceOf('pair'), inputOf(1, 'topic', Uint8Array.of(21)))
  app.deliver(instanceOf('pair'), inputOf(2, 'topic', Uint8Array.of(4)))
  await journal.until((turns) => turns.length === 2)
  await app.stop({ save: false })
  expect(journal.turns.map(({ input, samples }) => [input?.number, samples[0]?.metric, samples[0]?.value])).toEqual([
    [1, 'twice', 42],
    [2, 'twice', 8],
  ])
})

test('What it asks of the node blocks it until the agent has answered, and the error of a result reaches it.', async () => {
  const calls: unknown[][] = []
  const answers = [
    { tag: 'ok', val: 48.5 },
    { tag: 'err', val: 'timeout' },
  ]
  const { sandbox, journal } = sandboxWith(async ({ interface: name, func, args }) => {
    calls.push([name, func, ...args])
    return answers.shift()
  })
  // result<f64, enum>: the case at 512, the payload at 520.
  const deliver = `(call $read (i32.const 32) (i32.const 4) (i32.const 512))
    (if (i32.load8_u (i32.const 512))
      (then (call $emit-twice (f64.convert_i32_u (i32.load8_u (i32.const 520)))))
      (else (call $emit-twice (f64.load (i32.const 520)))))`
  const app = await sandbox.prepare(sectionOf([await componentGuest('reader', { deliver })]), journal)
  await app.activate()
  app.deliver(instanceOf('reader'), inputOf(1))
  app.deliver(instanceOf('reader'), inputOf(2))
  await journal.until((turns) => turns.length === 2)
  await app.stop({ save: false })
  expect(calls).toEqual([
    ['sensor', 'read', 'chip'],
    ['sensor', 'read', 'chip'],
  ])
  expect(journal.turns.map(({ samples }) => samples[0]?.value)).toEqual([97, 4])
})

test('A trap discards the turn, its state goes back to the last checkpoint, and a fresh process goes on.', async () => {
  const { sandbox, journal, event } = sandboxWith()
  const module = await componentGuest('fragile', {
    deliver: `(global.set $state (i32.add (global.get $state) (i32.load8_u (local.get $at))))
      (call $emit-twice (f64.convert_i32_u (global.get $state)))
      (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 99)) (then unreachable))`,
    save: '(i32.store8 (i32.const 640) (global.get $state)) (i32.store (i32.const 600) (i32.const 640)) (i32.store (i32.const 604) (i32.const 1)) (i32.const 600)',
    restore:
      '(global.set $state (i32.load8_u (local.get $at))) (i32.store8 (i32.const 620) (i32.const 0)) (i32.const 620)',
  })
  const first = await sandbox.prepare(sectionOf([module]), journal)
  await first.activate()
  first.deliver(instanceOf('fragile'), inputOf(1, 'topic', Uint8Array.of(5)))
  await journal.until((turns) => turns.length === 1)
  await first.stop({ save: true })

  const app = await sandbox.prepare(sectionOf([module]), journal)
  await app.activate()
  app.deliver(instanceOf('fragile'), inputOf(2, 'topic', Uint8Array.of(99)))
  app.deliver(instanceOf('fragile'), inputOf(3, 'topic', Uint8Array.of(2)))
  await event('input-failed')
  await journal.until((turns) => turns.some(({ input }) => input?.number === 3))
  await app.stop({ save: false })
  const inputs = journal.turns.filter(({ input }) => input !== null)
  expect(inputs.map(({ input, outcome, samples }) => [input!.number, outcome, samples[0]?.value])).toEqual([
    [1, 'ok', 10],
    [2, 'failed', undefined],
    [3, 'ok', 14],
  ])
})

test('A component is rehearsed and swapped for another one, from one process to the next, with its state and what waits.', async () => {
  const { sandbox, journal } = sandboxWith()
  const module = await componentGuest('summing', {
    deliver: `(global.set $state (i32.add (global.get $state) (i32.load8_u (local.get $at))))
      (call $emit-twice (f64.convert_i32_u (global.get $state)))`,
    save: '(i32.store8 (i32.const 640) (global.get $state)) (i32.store (i32.const 600) (i32.const 640)) (i32.store (i32.const 604) (i32.const 1)) (i32.const 600)',
    restore:
      '(global.set $state (i32.load8_u (local.get $at))) (i32.store8 (i32.const 620) (i32.const 0)) (i32.const 620)',
  })
  const section = sectionOf([module])
  const old = await sandbox.prepare(section, journal)
  await old.activate()
  old.deliver(instanceOf('summing'), inputOf(1, 'topic', Uint8Array.of(5)))
  await journal.until((turns) => turns.length === 1)
  const next = await sandbox.prepare({ ...section, epoch: 2 }, journal)
  expect(await next.rehearse(old)).toMatchObject({ stateBytes: 1 })
  const swapping = sandbox.swap(old, next, { budgetMs: 60_000, saved: () => undefined })
  next.deliver(instanceOf('summing'), inputOf(2, 'topic', Uint8Array.of(2)))
  await swapping
  next.deliver(instanceOf('summing'), inputOf(3, 'topic', Uint8Array.of(1)))
  await journal.until((turns) => turns.at(-1)?.input?.number === 3)
  await Promise.all([old, next].map((app) => app.stop({ save: false })))
  expect(journal.turns.flatMap(({ samples }) => samples.map(({ value }) => value))).toEqual([10, 14, 16])
  expect(journal.turns.at(-1)!.epoch).toBe(2)
})

test('A turn without end is ended at its deadline with its process, and the neighbour is not held up.', async () => {
  const { sandbox, journal, event } = sandboxWith()
  const looping = await componentGuest('loop', { deliver: '(loop $l (br $l))' }, { limits: limitsOf({ turnMs: 300 }) })
  const neighbour = await guestModule('core', {
    imports: ['host/telemetry#emit'],
    exports: {
      'module/inbox#deliver': '(call $telemetry.emit (i32.const 16) (i32.const 1) (f64.const 1) (i32.const 512))',
    },
    fields: '(data (i32.const 16) "m")',
  })
  const app = await sandbox.prepare(sectionOf([looping, neighbour]), journal)
  await app.activate()
  app.deliver(instanceOf('loop'), inputOf(1))
  app.deliver(instanceOf('core'), inputOf(2))
  await journal.until((turns) => turns.some(({ instance }) => instance.module === 'core'))
  expect((await event('deadline')).instance).toEqual(instanceOf('loop'))
  await event('input-failed')
  await app.stop({ save: false })
})

test('Its memories together stay below its limit: growing beyond is refused, and beginning beyond too.', async () => {
  const { sandbox, journal } = sandboxWith()
  // What memory.grow answers for 16 pages, which is −1, and then for 15.
  const deliver = `(call $emit-twice (f64.convert_i32_s (memory.grow (i32.const 16))))
    (call $emit-twice (f64.convert_i32_s (memory.grow (i32.const 15))))`
  const app = await sandbox.prepare(sectionOf([await componentGuest('grower', { deliver })]), journal)
  await app.activate()
  app.deliver(instanceOf('grower'), inputOf(1))
  await journal.until((turns) => turns.length === 1)
  await app.stop({ save: false })
  expect(journal.turns[0]!.samples.map(({ value }) => value)).toEqual([-2, 2])

  const large = await componentGuest('large', { memory: '17' })
  await expect(sandbox.prepare(sectionOf([large]), journal)).rejects.toMatchObject({ code: 'wasm-memory' })
})

test('A module with a core form calls one without: both run in one process, and the error of a result crosses as it is.', async () => {
  const { sandbox, journal } = sandboxWith()
  const halving = await halvingGuest('halving')
  const caller = await guestModule('caller', {
    interfaces: halving.world.exports,
    imports: ['test:app/math@1.0.0#half', 'host/telemetry#emit'],
    // Emits the half, or the length of the error's text below zero.
    exports: {
      'module/inbox#deliver': `(call $math.half (i32.load8_u (local.get $p2)) (i32.const 512))
        (call $telemetry.emit (i32.const 8) (i32.const 1)
          (if (result f64) (i32.load8_u (i32.const 512))
            (then (f64.neg (f64.convert_i32_u (i32.load (i32.const 520)))))
            (else (f64.convert_i32_u (i32.load (i32.const 516)))))
          (i32.const 528))`,
    },
    fields: '(data (i32.const 8) "m")',
  })
  const links = { caller: { 'test:app/math@1.0.0': 'halving' } }
  const app = await sandbox.prepare(sectionOf([caller, halving], { links }), journal)
  await app.activate()
  app.deliver(instanceOf('caller'), inputOf(1, 'topic', Uint8Array.of(42)))
  app.deliver(instanceOf('caller'), inputOf(2, 'topic', Uint8Array.of(7)))
  await journal.until((turns) => turns.length === 2)
  await app.stop({ save: false })
  expect(journal.turns.map(({ samples }) => samples[0]?.value)).toEqual([21, -3])
})

test("What a toolchain's adapter imports of WASI is there: the clock, random bytes, the standard output, and an exit that ends the turn.", async () => {
  const { sandbox, journal, event } = sandboxWith()
  // Seconds since 1970, a random byte twice, and the exit where the payload says so.
  const deliver = `(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 64)))
    (call $emit (i32.const 16) (i32.const 1) (f64.convert_i64_u (i64.div_u (i64.load (i32.const 64)) (i64.const 1000000000))) (i32.const 512))
    (drop (call $random (i32.const 72) (i32.const 8)))
    (call $emit (i32.const 16) (i32.const 1) (f64.convert_i64_u (i64.load (i32.const 72))) (i32.const 512))
    (i32.store (i32.const 80) (i32.const 96))
    (i32.store (i32.const 84) (i32.const 6))
    (i64.store (i32.const 96) (i64.const 0x0a_6f_6c_6c_65_68))
    (drop (call $write (i32.const 1) (i32.const 80) (i32.const 1) (i32.const 88)))
    (call $emit (i32.const 16) (i32.const 1) (f64.convert_i32_u (call $write (i32.const 5) (i32.const 80) (i32.const 1) (i32.const 88))) (i32.const 512))
    (if (i32.load8_u (local.get $at)) (then (call $exit (i32.const 3))))`
  const app = await sandbox.prepare(sectionOf([await adaptedGuest('adapted', deliver)]), journal)
  const before = Date.now() / 1_000
  await app.activate()
  app.deliver(instanceOf('adapted'), inputOf(1, 'topic', Uint8Array.of(0)))
  await journal.until((turns) => turns.length === 1)
  app.deliver(instanceOf('adapted'), inputOf(2, 'topic', Uint8Array.of(1)))
  expect((await event('trapped')).text).toContain('exit(1)')
  await app.stop({ save: false })
  const [seconds, random, written] = journal.turns[0]!.samples.map(({ value }) => value)
  expect(seconds).toBeGreaterThanOrEqual(Math.floor(before))
  expect(seconds).toBeLessThanOrEqual(Date.now() / 1_000)
  expect(random).toBeGreaterThan(0)
  expect(journal.turns[0]!.logs.map(({ text }) => text)).toEqual(['hello'])
  // EBADF of WASI preview 1: nothing but the standard streams is open.
  expect(written).toBe(8)
})

test('A node that runs no components says so; a module is given nothing that its directive does not link.', async () => {
  const { sandbox, journal } = testSandbox(systemClock)
  const module = await componentGuest('pair', {})
  const section = sectionOf([module])
  await expect(sandbox.prepare(section, journal)).rejects.toMatchObject({ code: 'module-form-unsupported' })
  const [instance] = section.instances
  const links = new Map([...instance!.links].filter(([name]) => !name.includes('sensor')))
  const unlinked = { ...section, instances: [{ ...instance!, links }] }
  await expect(sandboxWith().sandbox.prepare(unlinked, journal)).rejects.toMatchObject({ code: 'link-not-served' })
})
