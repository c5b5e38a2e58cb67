import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { lastValue, Stranger, steadySensor, writeApp } from './support.ts'

// Removing an app or a node leaves nothing behind on either side: not in the gateway's database, not among the broker's retained messages, not in
// the folder of an agent. Only the audit log remembers.

const marked = `
import { Level, write } from "hypha/host/log";
import { publish } from "hypha/host/messages";
import { set } from "hypha/host/kv";
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
import { Result, Unit } from "hypha/types";
let ticks: u32 = 0;
export function tick(nowMs: u64): void {
  if (names().length == 0) return;
  ticks++;
  emit("NAME-ticks", <f64>ticks);
  set("NAME-key", Uint8Array.wrap(String.UTF8.encode("NAME-value")));
  publish("NAME/out", Uint8Array.wrap(String.UTF8.encode("NAME-payload")));
  write(Level.Info, "NAME-line");
}
export function save(): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode("NAME-state"));
}
export function restore(from: string, state: Uint8Array): Result<Unit, string> {
  return new Result<Unit, string>(true, 0, "");
}
`

const table = `
import { execute } from "hypha/host/sql";
import { emit } from "hypha/host/telemetry";
let ticks: u32 = 0;
export function tick(nowMs: u64): void {
  execute("CREATE TABLE IF NOT EXISTS notes (text TEXT)", []);
  if (execute("INSERT INTO notes VALUES ('NAME-row')", []).isOk) emit("NAME-rows", <f64>(++ticks));
}
`

const manifest = (name: string) =>
  `[module.${name}-watch]\ntimer = "200ms"\npublish = ["#"]\n\n[module.${name}-table]\ntimer = "200ms"\n`

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start()
  await Promise.all([
    fleet.addNode('pi-leaver', { nodeFile: steadySensor }),
    fleet.addNode('pi-stayer', { nodeFile: `[sql]\n${steadySensor}` }),
  ])
  for (const app of ['goner', 'keeper']) await push(app)
  await fleet.hypha(['config', 'set', 'goner', 'goner-setting', 'goner-value'])
  await fleet.hypha(['node', 'label', 'pi-leaver', 'goner-free'])
  await everythingIsThere('goner')
})
afterAll(() => fleet.stop())

const push = (app: string) => {
  const sources = { [`${app}-watch`]: marked.replaceAll('NAME', app), [`${app}-table`]: table.replaceAll('NAME', app) }
  return fleet.hypha(['push', '--no-wait', writeApp(fleet, app, manifest(app), sources)])
}

async function everythingIsThere(app: string): Promise<void> {
  await lastValue(fleet, { app, metric: `${app}-ticks` }, ({ value }) => value > 2)
  await lastValue(fleet, { app, metric: `${app}-rows` }, ({ value }) => value > 2)
}

/** Rows that have the word somewhere, as `table: row`, in every table but the audit log. */
function rowsWith(word: string): string[] {
  const db = new Database(join(fleet.folder, 'hypha/gateway/hypha.db'), { readonly: true })
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'audit'").all()
  const bytesAsText = (_: string, value: { type?: string; data?: number[] } | null) =>
    value?.type === 'Buffer' ? Buffer.from(value.data!).toString('latin1') : value
  const found = (tables as { name: string }[]).flatMap(({ name }) =>
    db
      .prepare(`SELECT * FROM "${name}"`)
      .all()
      .map((row) => `${name}: ${JSON.stringify(row, bytesAsText)}`)
      .filter((text) => text.includes(word)),
  )
  db.close()
  return found
}

/** Files below a folder that have the word in their path or their bytes. */
function filesWith(folder: string, word: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => {
    if (path.includes(word)) return true
    const whole = join(folder, path)
    // The node is at work: a file may be renamed or removed between the listing and the look into it.
    try {
      return statSync(whole).isFile() && readFileSync(whole).includes(word)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  })
}

/** Waits until a search finds nothing, and says what is left where it doesn't. */
async function nothingLeft(what: string, search: () => string[]): Promise<void> {
  let last: string[] = []
  await eventually(what, () => {
    last = search()
    return last.length === 0 ? true : undefined
  }).catch((error) => {
    throw new Error(`${what}\n${last.join('\n').slice(0, 4_000)}`, { cause: error })
  })
}

/** Topics that are retained, as whoever may read the world's part sees them. */
async function retainedTopics(): Promise<string[]> {
  const out = fleet.folder
  await fleet.hypha(['client', 'create', 'reader', '--subscribe', 'v/#', 'm/#', '--out', out])
  const tls = ['--cafile', join(out, 'ca.pem'), '--cert', join(out, 'reader.pem'), '--key', join(out, 'reader.key')]
  const args = [
    '-h',
    '127.0.0.1',
    '-p',
    `${fleet.mqttPort}`,
    '-i',
    'reader',
    ...tls,
    // Not --retained-only: with it the client ends at the first message that comes while it is there.
    '-F',
    '%r %t',
    '-W',
    '2',
  ]
  const reader = new Stranger('mosquitto_sub', [...args, '-t', 'hypha/test/v/#', '-t', 'hypha/test/m/#'])
  await reader.ended
  await fleet.hypha(['client', 'rm', 'reader'])
  return reader.lines.filter((line) => line.startsWith('1 ')).map((line) => line.slice(2))
}

test('A removed app is gone from the gateway, from what the broker retains, and from every node, while the one beside it goes on', async () => {
  const homes = ['pi-leaver', 'pi-stayer'].map((node) => fleet.agentHome(node))
  expect(rowsWith('goner').map((row) => row.split(':')[0])).toEqual(
    expect.arrayContaining(['apps', 'plans', 'releases', 'settings', 'series', 'logs']),
  )
  for (const home of homes) expect(filesWith(home, 'goner')).not.toEqual([])
  expect(await retainedTopics()).toContain('hypha/test/v/pi-leaver/goner/goner-watch/goner-ticks')

  await fleet.hypha(['app', 'rm', 'goner'])
  for (const home of homes) await nothingLeft(`files of ${home} that know the app`, () => filesWith(home, 'goner'))
  await nothingLeft("rows of the gateway's that know the app", () =>
    rowsWith('goner').filter((row) => !row.includes('goner-free')),
  )
  expect(await fleet.json(['apps'])).toMatchObject([{ name: 'keeper' }])
  expect((await retainedTopics()).filter((topic) => topic.includes('goner'))).toEqual([])
  expect(await fleet.json<{ subject: string; action: string }[]>(['audit'])).toContainEqual(
    expect.objectContaining({ action: 'app.remove', subject: 'goner' }),
  )
  expect((await fleet.tryHypha(['app', 'goner'])).code).not.toBe(0)

  const { value } = await lastValue(fleet, { app: 'keeper', metric: 'keeper-rows' })
  await lastValue(fleet, { app: 'keeper', metric: 'keeper-rows' }, (later) => later.value > value + 2)
})

test('An app that comes back under its name begins anew, above the old epoch', async () => {
  await push('goner')
  const ticks = await lastValue(fleet, { app: 'goner', metric: 'goner-ticks' })
  expect(ticks.value).toBeLessThan(1_000)
  const app = await fleet.json<{ epoch: number; release: number }>(['app', 'goner'])
  // The author's home remembers which numbers it has signed: none is ever given to another release.
  expect(app.release).toBe(2)
  expect(app.epoch).toBeGreaterThan(1)
  expect(await fleet.json(['config', 'list', 'goner'])).toEqual([])
  await fleet.hypha(['app', 'rm', 'goner'])
})

test('A removed node deletes its identity and all that it holds, ends, and is forgotten by the gateway', async () => {
  const agent = fleet.agents.get('pi-leaver')!
  expect(rowsWith('pi-leaver')).not.toEqual([])
  await fleet.hypha(['node', 'rm', 'pi-leaver'])
  await agent.line(/has been removed/)
  expect(await agent.ended, agent.lines.join('\n')).toBe(0)
  expect(readdirSync(fleet.agentHome('pi-leaver'))).toEqual(['agent.toml'])
  await nothingLeft("rows of the gateway's that know the node", () => rowsWith('pi-leaver'))
  expect(await fleet.json(['nodes'])).toMatchObject([{ id: 'pi-stayer' }])
  expect((await retainedTopics()).filter((topic) => topic.includes('pi-leaver'))).toEqual([])
  expect(await fleet.json<object[]>(['audit'])).toContainEqual(
    expect.objectContaining({ action: 'node.remove', subject: 'pi-leaver' }),
  )
})

test('Its name is free again: another machine may join under it', async () => {
  await fleet.addNode('pi-leaver', { nodeFile: steadySensor })
  await lastValue(fleet, { app: 'keeper', metric: 'keeper-ticks' }, ({ node }) => node === 'pi-leaver')
})

test('A node that is away for good is forgotten at once with --force; should it come back, it is not let in', async () => {
  await fleet.agents.get('pi-leaver')!.end('SIGKILL')
  await fleet.hypha(['node', 'rm', 'pi-leaver'])
  expect(await fleet.json(['nodes'])).toContainEqual(
    expect.objectContaining({ id: 'pi-leaver', removedAt: expect.any(Number) }),
  )
  await fleet.hypha(['node', 'rm', 'pi-leaver', '--force'])
  await nothingLeft("rows of the gateway's that know the node", () => rowsWith('pi-leaver'))
  const back = fleet.startAgent('pi-leaver').catch(() => undefined)
  await fleet.gateway!.line(/it was removed, or has a newer certificate/)
  await fleet.agents.get('pi-leaver')!.end('SIGKILL')
  await back
  expect(await fleet.json(['nodes'])).toMatchObject([{ id: 'pi-stayer' }])
})
