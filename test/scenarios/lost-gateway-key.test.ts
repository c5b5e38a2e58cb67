import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { ask, lastValue, steadySensor, writeApp } from './support.ts'

// The gateway's key is gone, or root metadata names one that is not there yet. Nodes go on with what they run; a new key takes its place by root metadata alone.

const ticker = `
import { get } from "hypha/host/config";
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
let ticks: u32 = 0;
export function tick(nowMs: u64): void {
  const level = get("level");
  if (names().length > 0) emit("ticks", <f64>(++ticks));
  emit("level", level !== null ? parseFloat(level) : 0);
}
`
interface NodeView {
  directive: { wanted: number; held: number }
}

let fleet: Fleet

const keyFile = (name: string) => join(fleet.folder, 'hypha/keys', name)
const value = (metric: string, accept: (value: number) => boolean = () => true) =>
  lastValue(fleet, { app: 'ticker', metric }, (found) => accept(found.value))
const setLevel = (level: number) => fleet.tryHypha(['config', 'set', 'ticker', 'level', `${level}`, '--json'])

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  const config = '[module.tick]\ntimer = "200ms"\n\n[module.tick.config]\nlevel = "1"\n'
  await fleet.hypha(['push', '--no-wait', writeApp(fleet, 'ticker', config, { tick: ticker })])
  await value('level', (level) => level === 1)
})
afterAll(() => fleet.stop())

test('Without the key that root metadata names the gateway refuses to start, and says which it is', async () => {
  await fleet.gateway!.end()
  rmSync(keyFile('gateway.key'))
  const { roles } = await fleet.json<{ roles: { gateway: { keys: { id: string }[] } } }>(['root'])
  const refused = fleet.spawnGateway()
  expect(await refused.ended).toBe(4)
  const told = refused.lines.join('\n')
  expect(told).toContain('[gateway-key-missing]')
  expect(told).toContain(roles.gateway.keys[0]!.id)
  expect(told).toContain('hypha key rotate gateway')
})

test('A new key that root metadata names, made while no gateway runs, brings it back, and what ran was never restarted', async () => {
  const changed = await fleet.json<{ version: number; takenBy: string }>(['key', 'rotate', 'gateway'])
  expect(changed).toMatchObject({ version: 2, takenBy: 'home' })
  await fleet.startGateway()
  await fleet.agents.get('pi-1')!.line(/follows root metadata version 2/)
  await eventually('the directive that the new key has signed', async () => {
    const { directive } = await ask<NodeView>(fleet, '/v1/nodes/pi-1')
    return (directive.held === directive.wanted && directive.held > 0) || undefined
  })
  const before = await value('ticks')
  await value('ticks', (ticks) => ticks > before.value)
  const [found] = await fleet.json<{ history: { mean: number }[] }[]>([
    'values',
    '--metric',
    'ticks',
    '--history',
    '10min',
  ])
  const numbers = found!.history.map(({ mean }) => mean)
  expect(numbers).toEqual(numbers.map((_, index) => index + 1))
  expect((await setLevel(2)).code).toBe(0)
  await value('level', (level) => level === 2)
})

test('Root metadata that names a key which is not there yet ends the signing of directives, not the reports; the key begins it again', async () => {
  const elsewhere = join(fleet.folder, 'elsewhere.key')
  const { publicKey } = await fleet.json<{ publicKey: string }>(['key', 'new', 'gateway', '--out', elsewhere])
  const { notices } = await fleet.json<{ notices: string[] }>(['key', 'rotate', 'gateway', '--new', publicKey])
  expect(notices).toEqual([expect.stringContaining('No directive is signed')])
  expect((await fleet.json<{ notices: string[] }>(['status'])).notices).toEqual(notices)
  const refused = await setLevel(3)
  expect(JSON.parse(refused.stderr.trim())).toMatchObject({ error: { code: 'gateway-key-missing' } })
  const before = await value('ticks')
  await value('ticks', (ticks) => ticks > before.value)

  // The agent that starts again meanwhile knows of no directive, and runs what it has confirmed.
  await fleet.agents.get('pi-1')!.end('SIGKILL')
  await fleet.startAgent('pi-1')
  const { at } = await value('level')
  await lastValue(fleet, { app: 'ticker', metric: 'level' }, (later) => later.at > at && later.value === 2)

  copyFileSync(elsewhere, keyFile('gateway-next.key'))
  await eventually('the gateway signs again', async () => {
    const { notices } = await ask<{ notices: string[] }>(fleet, '/v1/status')
    return notices.length === 0 || undefined
  })
  expect((await setLevel(4)).code).toBe(0)
  await value('level', (level) => level === 4)
})
