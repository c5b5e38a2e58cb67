import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hyphaProgram, runProgram } from '../../examples/demo/processes.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { ask, eventOf, lastValue, steadySensor, writeApp } from './support.ts'

// A node runs a module only if the release role has signed for it and the gateway asks for it. Here one of the two is a stranger's each time, or the
// bytes are others than those that were signed for.

const ticker = `
import { get } from "hypha/host/config";
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
export function tick(nowMs: u64): void {
  const level = get("level");
  emit("level", names().length > 0 && level !== null ? parseFloat(level) : 0);
}
`

interface Section {
  app: string
  status: string
  code: string | null
  running: object | null
}
interface NodeView {
  id: string
  refused: { code: string; message: string } | null
  sections: Section[]
}

let fleet: Fleet
let stranger: string
let app: string

beforeAll(async () => {
  fleet = await Fleet.start()
  stranger = join(fleet.folder, 'stranger')
  const made = runProgram(hyphaProgram, ['init', 'test', '--host', '127.0.0.1', '--home', stranger], fleet.env)
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  app = writeApp(fleet, 'ticker', '[module.tick]\ntimer = "200ms"\n\n[module.tick.config]\nlevel = "1"\n', {
    tick: ticker,
  })
  expect((await made).code).toBe(0)
})
afterAll(() => fleet.stop())

const nodeView = (node: string) => ask<NodeView>(fleet, `/v1/nodes/${node}`)

test("A release that a stranger's key has signed is refused, and nothing of it is kept", async () => {
  const pushed = await fleet.tryHypha(['push', '--no-wait', '--json', '--key', join(stranger, 'keys/release.key'), app])
  expect(pushed.code).not.toBe(0)
  expect(JSON.parse(pushed.stderr.trim().split('\n').at(-1)!)).toMatchObject({ error: { code: 'threshold-not-met' } })
  expect(await fleet.json(['apps'])).toEqual([])
})

test('Contents that were tampered with at the gateway are refused by the node, and never run', async () => {
  await fleet.hypha(['push', '--no-wait', app])
  await lastValue(fleet, { app: 'ticker', metric: 'level' }, ({ value }) => value === 1)
  const { modules } = await fleet.json<{ modules: { core: { digest: string } }[] }>(['release', 'ticker'])
  await fleet.gateway!.end()
  tamper(modules[0]!.core.digest)
  await fleet.startGateway()
  await fleet.addNode('pi-2', { nodeFile: steadySensor })
  const refused = await eventually('the refusal of the tampered module', async () =>
    (await nodeView('pi-2')).sections.find(({ code }) => code !== null),
  )
  expect(refused).toMatchObject({ app: 'ticker', status: 'refused', running: null, code: 'content-mismatch' })
  expect((await nodeView('pi-1')).sections).toMatchObject([{ app: 'ticker', code: null }])
  const values = await fleet.json<{ node: string }[]>(['values', '--metric', 'level'])
  expect(values.map(({ node }) => node)).toEqual(['pi-1'])
})

test("A gateway with a stranger's key makes no node run anything else, and the node's refusal is shown", async () => {
  await fleet.gateway!.end()
  // Its root metadata with it: a gateway whose key its own root doesn't name wouldn't start.
  for (const name of ['keys/gateway.key', 'root/1.root']) {
    copyFileSync(join(stranger, name), join(fleet.folder, 'hypha', name))
  }
  await fleet.startGateway()
  await fleet.hypha(['config', 'set', 'ticker', 'level', '2'])
  const { refused } = await eventually('the refusal of the directive', async () => {
    const view = await nodeView('pi-1')
    return view.refused === null ? undefined : view
  })
  expect(refused).toMatchObject({ code: 'threshold-not-met' })
  expect(await fleet.hypha(['node', 'pi-1'])).toMatch(/refused +.*\[threshold-not-met\]/)
  await eventOf(fleet, null, 'directive-refused', /./, 'pi-1')
  const { at } = await lastValue(fleet, { app: 'ticker', metric: 'level' })
  await lastValue(fleet, { app: 'ticker', metric: 'level' }, (later) => later.at > at)
  const levels = await fleet.json<{ history: { mean: number }[] }[]>([
    'values',
    '--metric',
    'level',
    '--history',
    '10min',
  ])
  expect(new Set(levels[0]!.history.map(({ mean }) => mean))).toEqual(new Set([1]))
})

/** Changes one byte of a content in the gateway's database, as whoever has broken in there could. */
function tamper(digest: string): void {
  const db = new Database(join(fleet.folder, 'hypha/gateway/hypha.db'))
  const { bytes } = db.prepare('SELECT bytes FROM contents WHERE digest = ?').get(digest) as { bytes: Buffer }
  bytes[bytes.length - 1]! ^= 1
  expect(db.prepare('UPDATE contents SET bytes = ? WHERE digest = ?').run(bytes, digest).changes).toBe(1)
  db.prepare('DELETE FROM transfers WHERE content = ?').run(digest)
  db.close()
}
