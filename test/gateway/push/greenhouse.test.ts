import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { type BuiltModule, buildApp } from '../../../gateway/push/build/build.ts'
import { copyOf, folderForFile } from './app-folder.ts'
import { bytes, type Guest, startGuest, type TestHost, text } from './guest.ts'

const example = fileURLToPath(new URL('../../../examples/greenhouse', import.meta.url))
const ok = { tag: 'ok' }
/** Notes what a host function was called with, and answers. */
function accept<T>(calls: T[], call: T, answer: unknown = ok): unknown {
  calls.push(call)
  return answer
}

const dir = folderForFile()
let modules: Map<string, BuiltModule>

const start = (name: string, host: TestHost): Guest => startGuest(modules.get(name)!.component, host)
const tick = (guest: Guest, at: number): unknown => guest.call('hypha:module/timer', 'tick', BigInt(at))
const deliver = (guest: Guest, topic: string, payload: string): unknown =>
  guest.call('hypha:module/inbox', 'deliver', topic, bytes(payload))

/** A module that promises to end below a page has not written a byte beyond, and has not grown. */
function expectBounds(guest: Guest): void {
  const end = guest.analysis.memory.endBytes!
  expect(end).toBeLessThan(65_536)
  expect(guest.memory.buffer.byteLength).toBe(65_536)
  expect(new Uint8Array(guest.memory.buffer, end).every((byte) => byte === 0)).toBe(true)
}

beforeAll(async () => {
  copyOf(example, dir)
  modules = new Map((await buildApp(dir)).map((module) => [module.name, module]))
}, 240_000)

test('Every module of the greenhouse has a core form that ends below one page', () => {
  expect([...modules.keys()]).toEqual(['sampler', 'frost-alarm', 'ledger', 'report'])
  for (const module of modules.values()) expectBounds(startGuest(module.component, {}))
})

test('The sampler reads, emits and publishes 200,000 times without growing', () => {
  const emitted: unknown[] = []
  const published: unknown[] = []
  let reads = 0
  const guest = start('sampler', {
    'hypha:host/sensor': {
      names: () => ['indoor', 'outdoor', 'broken'],
      read: (name: string) => {
        if (name === 'broken') return { tag: 'err', val: 'unavailable' }
        return { tag: 'ok', val: name === 'indoor' ? 21.5 : -0.125 * (reads++ % 1000) }
      },
    },
    'hypha:host/telemetry': { emit: (metric: string, value: number) => accept(emitted, [metric, value]) },
    'hypha:host/messages': {
      publish: (topic: string, payload: Uint8Array) => accept(published, [topic, text(payload)]),
    },
  })
  tick(guest, 1_700_000_000_000)
  tick(guest, 1_700_000_001_000)
  expect(emitted).toEqual([
    ['indoor', 21.5],
    ['outdoor', -0],
    ['indoor', 21.5],
    ['outdoor', -0.125],
  ])
  expect(published.at(-1)).toEqual(['climate/outdoor', '{"value":-0.125,"at":1700000001000}'])
  for (let turn = 0; turn < 200_000; turn++) {
    tick(guest, 1_700_000_002_000 + turn)
    emitted.length = 0
    published.length = 0
  }
  expectBounds(guest)
})

test('The frost alarm warns once, remembers across instances, and calls it off only when it is well above', () => {
  const store = new Map<string, Uint8Array>()
  const published: string[] = []
  const frost: number[] = []
  const logged: string[] = []
  const host: TestHost = {
    'hypha:host/kv': {
      get: (key: string) => store.get(key),
      set: (key: string, value: Uint8Array) => {
        store.set(key, value)
        return ok
      },
    },
    'hypha:host/messages': {
      publish: (topic: string, payload: Uint8Array) => accept(published, `${topic} ${text(payload)}`),
    },
    'hypha:host/telemetry': { emit: (_: string, value: number) => accept(frost, value) },
    'hypha:host/log': { write: (level: string, message: string) => logged.push(`${level} ${message}`) },
  }
  const read = (guest: Guest, celsius: number): unknown =>
    deliver(guest, 'climate/outdoor', `{"value":${celsius},"at":1}`)
  const first = start('frost-alarm', host)
  for (const celsius of [5, 0.5, 0.4, -3.25, 1]) read(first, celsius)
  const second = start('frost-alarm', host)
  for (const celsius of [1.9, 2, 2.1, 0.6, -12.5e-1]) read(second, celsius)
  expect(frost).toEqual([0, 0, 1, 1, 1, 1, 1, 0, 0, 1])
  expect(published).toEqual([
    'alarm/frost {"frost":"on","celsius":0.4,"count":1}',
    'alarm/frost {"frost":"off","celsius":2.1,"count":1}',
    'alarm/frost {"frost":"on","celsius":-1.25,"count":2}',
  ])
  deliver(second, 'climate/outdoor', 'no reading')
  expect(logged.at(-1)).toBe('error a reading without a number is passed over')
  for (let turn = 0; turn < 10_000; turn++) read(second, turn % 2 === 0 ? 5 : -5)
  expectBounds(second)
})

test('The ledger writes rows into a real SQLite, counts them, and bounds its table', () => {
  const database = new DatabaseSync(':memory:')
  const toSql = (params: readonly { tag: string; val?: SQLInputValue }[]): SQLInputValue[] =>
    params.map((param) => param.val ?? null)
  const rows: number[] = []
  const guest = start('ledger', {
    'hypha:host/sql': {
      execute: (statement: string, params: []) => ({
        tag: 'ok',
        val: BigInt(database.prepare(statement).run(...toSql(params)).changes),
      }),
      query: (statement: string, params: []) => {
        const prepared = database.prepare(statement)
        const found = prepared.all(...toSql(params)).map((row) => Object.values(row) as number[])
        return {
          tag: 'ok',
          val: {
            columns: prepared.columns().map((column) => column.name),
            rows: found.map((row) => row.map((value) => ({ tag: 'integer', val: BigInt(value) }))),
          },
        }
      },
    },
    'hypha:host/telemetry': {
      emit: (metric: string, value: number) => accept(rows, metric === 'rows' ? value : Number.NaN),
    },
    'hypha:host/log': { write: (_: string, message: string) => expect.fail(message) },
  })
  tick(guest, 1)
  deliver(guest, 'climate/outdoor', '{"value":1.5,"at":1}')
  deliver(guest, 'alarm/frost', '{"frost":"on"}')
  tick(guest, 2)
  expect(database.prepare('SELECT topic, payload FROM ledger').all()).toEqual([
    { topic: 'climate/outdoor', payload: '{"value":1.5,"at":1}' },
    { topic: 'alarm/frost', payload: '{"frost":"on"}' },
  ])
  for (let index = 0; index < 10_050; index++) deliver(guest, 'climate/indoor', `{"value":21,"at":${index}}`)
  tick(guest, 3)
  expect(rows).toEqual([0, 2, 10_000])
  expectBounds(guest)
})

test('The report posts JSON to the address that is set, and says what came of it', () => {
  const settings = new Map<string, string>()
  const sent: { method: string; url: string; headers: unknown; body: Uint8Array; timeoutMs: number }[] = []
  const emitted: unknown[] = []
  const logged: string[] = []
  let answer: unknown = { tag: 'ok', val: { status: 204, headers: [], body: new Uint8Array() } }
  const guest = start('report', {
    'hypha:host/config': { get: (key: string) => settings.get(key) },
    'hypha:host/http': { send: (request: (typeof sent)[number]) => accept(sent, request, answer) },
    'hypha:host/telemetry': { emit: (metric: string, value: number) => accept(emitted, [metric, value]) },
    'hypha:host/log': { write: (level: string, message: string) => logged.push(`${level} ${message}`) },
  })
  tick(guest, 1)
  expect(logged).toEqual(['warn there is nowhere to report to: set `url`'])
  settings.set('url', 'http://127.0.0.1:1/ü')
  deliver(guest, 'alarm/frost', '{"frost":"on","celsius":-1}')
  tick(guest, 2)
  expect(sent[0]).toMatchObject({
    method: 'POST',
    url: 'http://127.0.0.1:1/ü',
    headers: [['content-type', 'application/json']],
    timeoutMs: 3000,
  })
  expect(JSON.parse(text(sent[0]!.body))).toEqual({ at: 2, alarms: 1, lastAlarm: { frost: 'on', celsius: -1 } })
  answer = { tag: 'err', val: { tag: 'unreachable', val: 'connection refused' } }
  tick(guest, 3)
  expect(emitted).toEqual([
    ['http-status', 204],
    ['posted', 1],
    ['http-status', 0],
  ])
  expect(logged.at(-1)).toBe('warn connection refused')
  for (let turn = 0; turn < 10_000; turn++) tick(guest, turn)
  expectBounds(guest)
})

test('The same sources give the same bytes', async () => {
  const again = await buildApp(dir, { force: true })
  for (const module of again) {
    expect(module.cached).toBe(false)
    expect(Buffer.from(module.component).equals(modules.get(module.name)!.component)).toBe(true)
  }
}, 240_000)

test('Unchanged sources are not built again, and no compiler is loaded', () => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context) } })
    const { buildApp } = await import(process.argv[1])
    const built = await buildApp(process.argv[2])
    console.log(JSON.stringify({ loaded, cached: built.map((module) => module.cached) }))`
  const build = fileURLToPath(new URL('../../../gateway/push/build/build.ts', import.meta.url))
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script, build, dir], { encoding: 'utf8' })
  expect(run.stderr).toBe('')
  const { loaded, cached } = JSON.parse(run.stdout) as { loaded: string[]; cached: boolean[] }
  expect(cached).toEqual([true, true, true, true])
  expect(loaded.some((url) => url.endsWith('/build/build.ts'))).toBe(true)
  const readers = loaded.filter((url) => /assemblyscript|bytecodealliance|yowasp|\/src\/wasm\/(?!caps)/.test(url))
  expect(readers).toEqual([])
})

test('A changed source, a damaged output and a changed heap are each built again', async () => {
  const { appendFileSync, readFileSync, writeFileSync } = await import('node:fs')
  const rebuilt = async (): Promise<string[]> =>
    (await buildApp(dir)).filter((module) => !module.cached).map((module) => module.name)
  expect(await rebuilt()).toEqual([])
  appendFileSync(join(dir, 'sampler/assembly/index.ts'), '// a remark\n')
  expect(await rebuilt()).toEqual(['sampler'])
  writeFileSync(join(dir, 'build/ledger.wasm'), 'half')
  expect(await rebuilt()).toEqual(['ledger'])
  const manifest = join(dir, 'hypha.toml')
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('heap = "8KiB"', 'heap = "9KiB"'))
  expect(await rebuilt()).toEqual(['frost-alarm'])
}, 240_000)
