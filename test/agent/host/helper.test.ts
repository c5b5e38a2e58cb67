import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { afterEach, expect, test } from 'vitest'
import { startHelper } from '../../../agent/helper/start.ts'
import { createDrivers, type Drivers } from '../../../agent/host/drivers/drivers.ts'
import { connectHelper } from '../../../agent/host/helper-client.ts'
import type { HostCall } from '../../../agent/host/host.ts'
import { parseNodeFile } from '../../../agent/host/node-file.ts'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

/** The drivers of a node file, with a real helper process. */
async function nodeWith(toml: string): Promise<{ drivers: Drivers; notes: string[]; home: string }> {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'hypha-home-')))
  mkdirSync(join(home, 'sql'))
  writeFileSync(join(home, 'agent.toml'), toml)
  const helper = await startHelper(home)
  cleanups.push(() => rmSync(home, { recursive: true }))
  const client = connectHelper(helper!)
  const notes: string[] = []
  const ports = { home, clock: systemClock, helper: client, subscribe: null, note: (text: string) => notes.push(text) }
  const drivers = createDrivers(parseNodeFile(toml), ports)
  cleanups.push(() => client.stop())
  return { drivers, notes, home }
}

function call(name: HostCall['interface'], func: string, args: unknown[], leftMs = 5_000): HostCall {
  const instance = { app: 'app', module: 'module', home: 'pi-7' }
  return { instance, interface: name, func, args, key: 'turn/0', leftMs, httpHosts: [] }
}

test('A command that the node file binds is a sensor; one that hangs times out; one that fails is unavailable.', async () => {
  const { drivers, notes } = await nodeWith(`
    [sensor.chip]
    driver = "command"
    argv = ["echo", "temp=48.5'C"]
    [sensor.slow]
    driver = "command"
    argv = ["sleep", "60"]
    timeout = "50ms"
    [sensor.broken]
    driver = "command"
    argv = ["false"]
  `)
  expect(await drivers.call(call('sensor', 'read', ['chip']))).toEqual({ tag: 'ok', val: 48.5 })
  expect(await drivers.call(call('sensor', 'read', ['slow']))).toEqual({ tag: 'err', val: 'timeout' })
  expect(await drivers.call(call('sensor', 'read', ['broken']))).toEqual({ tag: 'err', val: 'unavailable' })
  expect(await drivers.call(call('sensor', 'names', []))).toEqual(['broken', 'chip', 'slow'])
  expect(notes[0]).toContain('did not end within 50 ms')
})

test('An actuator is set by a command that is given the value, within its range.', async () => {
  const { drivers } = await nodeWith(`
    [actuator.fan]
    driver = "command"
    argv = ["test", "{value}", "=", "40"]
    max = 100
  `)
  expect(await drivers.call(call('actuator', 'set', ['fan', 40]))).toEqual({ tag: 'ok', val: undefined })
  expect(await drivers.call(call('actuator', 'set', ['fan', 41]))).toEqual({ tag: 'err', val: 'unavailable' })
  expect(await drivers.call(call('actuator', 'set', ['fan', 101]))).toEqual({ tag: 'err', val: 'out-of-range' })
})

test('A statement without an end is killed with its process, and the database goes on with what it had.', async () => {
  const { drivers } = await nodeWith('[sql]')
  const sql = (func: string, statement: string, leftMs?: number) =>
    drivers.call(call('sql', func, [statement, []], leftMs))
  expect(await sql('execute', 'CREATE TABLE t (n)')).toEqual({ tag: 'ok', val: 0n })
  const endless = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c'
  expect(await sql('query', endless, 300)).toMatchObject({ tag: 'err', val: expect.stringContaining('took too long') })
  const rows = await sql('query', 'SELECT count(*) AS n FROM t')
  expect(rows).toEqual({ tag: 'ok', val: { columns: ['n'], rows: [[{ tag: 'integer', val: 0n }]] } })
})

test('The database of an app that imports it is opened ahead of its first turn, and of no other app', async () => {
  const { drivers, home } = await nodeWith('[sql]')
  await drivers.open('plain', new Set(['hypha:host/log@0.1.0']))
  await drivers.open('app', new Set(['hypha:host/log@0.1.0', 'hypha:host/sql@0.1.0']))
  expect(readdirSync(join(home, 'sql')).filter((name) => name.endsWith('.db'))).toEqual(['app.db'])
})

test('A node file that binds nothing of the kind starts no helper.', async () => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'hypha-home-')))
  cleanups.push(() => rmSync(home, { recursive: true }))
  expect(await startHelper(home)).toBeNull()
  writeFileSync(join(home, 'agent.toml'), 'labels = ["floor=2"]')
  expect(await startHelper(home)).toBeNull()
})
