import type { InterfaceType } from '@hypha/core/wasm/types.ts'
import { afterEach, expect, test } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { inputOf, instanceOf, sectionOf, testSandbox } from '../../support/sandbox.ts'
import { guestModule } from '../../support/sandbox-guest.ts'

const running: { stop(options: { save: boolean }): Promise<unknown> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.stop({ save: false })))
})

const store: InterfaceType = {
  name: 'test:app/store@1.0.0',
  funcs: [
    {
      name: 'add',
      params: [{ name: 'text', type: 'string' }],
      result: { kind: 'result', ok: 'u32', err: 'string' },
    },
  ],
}
const interfaces = [store]

/** Keeps the length of each text in kv and answers how many it has seen; an empty text traps. */
const keeper = {
  interfaces,
  imports: ['host/kv#set', 'host/telemetry#emit'],
  exports: {
    'test:app/store@1.0.0#add': `
      (if (i32.eqz (local.get $p1)) (then unreachable))
      (call $kv.set (local.get $p0) (local.get $p1) (local.get $p0) (local.get $p1) (i32.const 512))
      (call $telemetry.emit (i32.const 8) (i32.const 4) (f64.convert_i32_u (local.get $p1)) (i32.const 512))
      (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
      (i32.store8 (i32.const 520) (i32.const 0)) (i32.store (i32.const 524) (global.get $seen))
      (i32.const 520)`,
  },
  fields: '(global $seen (mut i32) (i32.const 0)) (data (i32.const 8) "size")',
}

/** Passes each payload on, and emits what came back. */
const caller = {
  interfaces,
  imports: ['test:app/store@1.0.0#add', 'host/telemetry#emit'],
  exports: {
    'module/inbox#deliver': `
      (call $telemetry.emit (i32.const 8) (i32.const 5) (f64.const 1) (i32.const 512))
      (call $store.add (local.get $p2) (local.get $p3) (i32.const 512))
      (call $telemetry.emit (i32.const 16) (i32.const 5) (f64.convert_i32_u (i32.load (i32.const 516))) (i32.const 528))`,
  },
  fields: '(data (i32.const 8) "tries") (data (i32.const 16) "count")',
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const links = { caller: { [store.name]: 'keeper' } }

test('A link to an instance of the same cell is a direct call, and the turn is journaled for both at once.', async () => {
  const { sandbox, journal } = testSandbox(new FakeClock())
  const turns: string[][] = []
  const commit = journal.commit.bind(journal)
  journal.commit = (turn) => {
    turns.push(
      turn.map(
        ({ instance, samples }) => `${instance.module}: ${samples.map(({ metric, value }) => `${metric}=${value}`)}`,
      ),
    )
    commit(turn)
  }
  const modules = [await guestModule('caller', caller), await guestModule('keeper', keeper)]
  const app = await sandbox.prepare(sectionOf(modules, { links }), journal)
  running.push(app)
  await app.activate()
  app.deliver(instanceOf('caller'), inputOf(1, 'a', text('grüße')))
  app.deliver(instanceOf('caller'), inputOf(2, 'a', text('ok')))
  await journal.until((records) => records.some(({ input }) => input?.number === 2))
  expect(turns).toEqual([
    ['caller: tries=1,count=1', 'keeper: size=7'],
    ['caller: tries=1,count=2', 'keeper: size=2'],
  ])
  expect([...journal.kv(instanceOf('keeper')).keys()]).toEqual(['grüße', 'ok'])
  expect(journal.kv(instanceOf('caller')).size).toBe(0)
})

test('A trap of the called instance discards the turn of both.', async () => {
  const { sandbox, journal, event } = testSandbox(new FakeClock())
  const modules = [await guestModule('caller', caller), await guestModule('keeper', keeper)]
  const app = await sandbox.prepare(sectionOf(modules, { links }), journal)
  running.push(app)
  await app.activate()
  app.deliver(instanceOf('caller'), inputOf(1, 'a', text('')))
  await event('trapped')
  expect(journal.turns).toEqual([])
  expect(app.instances().map(({ module, status }) => [module, status])).toEqual([
    ['keeper', 'backoff'],
    ['caller', 'backoff'],
  ])
})

test('An import that the directive does not link is not there.', async () => {
  const { sandbox, journal } = testSandbox(new FakeClock())
  const section = sectionOf([await guestModule('caller', caller), await guestModule('keeper', keeper)], { links })
  const unlinked = section.instances.map((instance) => ({ ...instance, links: new Map() }))
  await expect(sandbox.prepare({ ...section, instances: unlinked }, journal)).rejects.toMatchObject({
    code: 'link-not-served',
    message: expect.stringContaining('does not link'),
  })
})

test('Links in a circle are refused with the circle.', async () => {
  const { sandbox, journal } = testSandbox(new FakeClock())
  const refused = (message: string) => ({ code: 'link-not-served', message: expect.stringContaining(message) })
  const both = {
    interfaces,
    imports: keeper.imports.concat(`${store.name}#add`),
    exports: keeper.exports,
    fields: keeper.fields,
  }
  const circle = sectionOf([await guestModule('a', both), await guestModule('b', both)], {
    links: { a: { [store.name]: 'b' }, b: { [store.name]: 'a' } },
  })
  await expect(sandbox.prepare(circle, journal)).rejects.toMatchObject(refused('app/a@pi-7 → app/b@pi-7 → app/a@pi-7'))
})
