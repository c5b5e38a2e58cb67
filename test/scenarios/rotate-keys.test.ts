import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { ask, lastValue, steadySensor, writeApp } from './support.ts'

// Every key that people and the gateway hold is replaced while the fleet runs and one node is away. The nodes follow root metadata version by version,
// and nothing that runs is restarted for it.

const counter = (step: number) => `
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
let ticks: u32 = 0;
export function tick(nowMs: u64): void {
  if (names().length > 0) emit("ticks", <f64>(ticks += ${step}));
}
`
interface Changed {
  version: number
  takenBy: string
  changes: string[]
}
interface NodeView {
  online: boolean
  directive: { wanted: number; held: number }
  refused: object | null
}

let fleet: Fleet
const writeCounter = (step: number) =>
  writeApp(fleet, 'counter', '[module.count]\ntimer = "200ms"\n', { count: counter(step) })
const ticksOf = (node: string, accept: (value: number) => boolean) =>
  lastValue(fleet, { app: 'counter', metric: 'ticks' }, (value) => value.node === node && accept(value.value))
const goesOn = async (node: string) => {
  const { value } = await ticksOf(node, () => true)
  await ticksOf(node, (later) => later > value)
}

beforeAll(async () => {
  fleet = await Fleet.start()
  await Promise.all(['pi-1', 'pi-2'].map((node) => fleet.addNode(node, { nodeFile: steadySensor })))
  await fleet.hypha(['push', '--no-wait', writeCounter(1)])
  await Promise.all(['pi-1', 'pi-2'].map((node) => ticksOf(node, (value) => value > 0)))
})
afterAll(() => fleet.stop())

test('Release, gateway and root keys are replaced while one node is away, and the other goes on without a restart', async () => {
  await fleet.reached('counter', 'confirmed')
  await fleet.agents.get('pi-2')!.end()
  const rotated = [
    await fleet.json<Changed>(['key', 'rotate', 'release']),
    await fleet.json<Changed>(['key', 'rotate', 'gateway']),
    await fleet.json<Changed>(['key', 'rotate', 'root']),
    await fleet.json<Changed>(['root', 'renew', '--days', '900']),
  ]
  expect(rotated.map(({ version, takenBy }) => [version, takenBy])).toEqual(
    [2, 3, 4, 5].map((version) => [version, 'gateway']),
  )
  await fleet.agents.get('pi-1')!.line(/follows root metadata version 5/)
  await eventually('the directive that the new key has signed', async () => {
    const { directive, refused } = await ask<NodeView>(fleet, '/v1/nodes/pi-1')
    return (directive.held === directive.wanted && directive.held > 0 && refused === null) || undefined
  })
  await goesOn('pi-1')
  // It counts in its memory alone: had it begun again, so had the numbers.
  const [found] = await fleet.json<{ history: { mean: number }[] }[]>([
    'values',
    '--node',
    'pi-1',
    '--history',
    '10min',
  ])
  const numbers = found!.history.map(({ mean }) => mean)
  expect(numbers).toEqual(numbers.map((_, index) => index + 1))
})

test('The keys of before are kept beside those that count now', async () => {
  const kept = readdirSync(join(fleet.folder, 'hypha/keys')).filter((name) =>
    /^(root|release|gateway)-[0-9a-f]{16}\.key$/.test(name),
  )
  expect(kept).toHaveLength(3)
  const shown = await fleet.json<{ role: string; path: string; named: boolean }[]>(['key', 'show'])
  expect(shown.filter(({ named }) => named).map(({ path }) => path)).toEqual(
    ['root', 'release', 'gateway'].map((role) => join(fleet.folder, `hypha/keys/${role}.key`)),
  )
  expect(existsSync(join(fleet.folder, 'hypha/root/next.root'))).toBe(false)
})

test('The node that was away follows all versions at once, and both run a push that the new keys have signed', async () => {
  const agent = await fleet.startAgent('pi-2')
  await agent.line(/follows root metadata version 5/)
  await fleet.hypha(['push', '--no-wait', writeCounter(1_000_000)])
  await Promise.all(['pi-1', 'pi-2'].map((node) => ticksOf(node, (value) => value >= 1_000_000)))
})

test('A node that joins after that follows the chain from the first version, and a restart of the gateway changes nothing', async () => {
  const agent = await fleet.addNode('pi-3', { nodeFile: steadySensor })
  await agent.line(/follows root metadata version 5/)
  await ticksOf('pi-3', (value) => value > 0)
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway()
  await Promise.all(['pi-1', 'pi-2', 'pi-3'].map(goesOn))
  expect(await fleet.json(['root'])).toMatchObject({ version: 5, draft: null })
  const audit = await fleet.json<{ action: string; subject: string }[]>(['audit'])
  expect(audit.filter(({ action }) => action === 'root.update').map(({ subject }) => subject)).toEqual([
    '5',
    '4',
    '3',
    '2',
  ])
})
