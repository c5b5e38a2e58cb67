import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { ask, lastValue, steadySensor, writeApp } from './support.ts'

// Three people hold release keys, and two must sign. One key is lost: the two others go on, root names another key in its place, and what the lost one has signed is signed again
// while it runs.

const counter = `
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
let ticks: u32 = 0;
export function tick(nowMs: u64): void {
  if (names().length > 0) emit("ticks", <f64>(++ticks));
}
`
interface Pushed {
  number: number
  pending: boolean
  signed: number
  threshold: number
  outcome: { confirmed: string[] } | null
}
interface NodeView {
  directive: { wanted: number; held: number }
  sections: { app: string; status: string; code: string | null; instances: { restarts: number; turns: number }[] }[]
}

let fleet: Fleet
const key = (name: string) => join(fleet.folder, 'hypha/keys', `${name}.key`)
const write = (name: string) => writeApp(fleet, name, '[module.count]\ntimer = "200ms"\n', { count: counter })
const push = (name: string, by: string) => fleet.json<Pushed>(['push', write(name), '--key', key(by)])
const sign = (release: string, by: string) => fleet.json<Pushed>(['sign', release, '--yes', '--key', key(by)])
const nodeView = (node: string) => ask<NodeView>(fleet, `/v1/nodes/${node}`)
const section = async (node: string, app: string) =>
  (await nodeView(node)).sections.find((candidate) => candidate.app === app)
const notices = async () =>
  (await ask<{ notices: string[] }>(fleet, '/v1/status')).notices.filter((text) => text.includes('hypha sign'))

async function ticks(node: string): Promise<number[]> {
  const asked = ['values', '--app', 'counter', '--node', node, '--history', '10min']
  const [found] = await fleet.json<{ history: { mean: number }[] }[]>(asked)
  return found!.history.map(({ mean }) => mean)
}

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  for (const name of ['anna', 'bert', 'clara']) await fleet.hypha(['key', 'new', 'release', '--out', key(name)])
  await fleet.hypha(['key', 'add', 'release', key('anna')])
  await fleet.hypha(['key', 'add', 'release', key('bert'), '--threshold', '2'])
})
afterAll(() => fleet.stop())

test('A release runs once two of the three have signed it', async () => {
  expect(await push('counter', 'release')).toMatchObject({ number: 1, pending: true, signed: 1, threshold: 2 })
  expect((await fleet.tryHypha(['app', 'counter'])).stdout).toMatch(/none is to run/)
  expect(await nodeView('pi-1')).toMatchObject({ sections: [] })
  expect(await notices()).toEqual(['counter 1 is signed 1 of 2, and waits: hypha sign counter@1.'])
  const signed = await sign('counter@1', 'anna')
  expect(signed).toMatchObject({ pending: false, signed: 2, outcome: { confirmed: ['pi-1'] } })
  await lastValue(fleet, { app: 'counter', metric: 'ticks' })
  expect(await notices()).toEqual([])
})

test('When one key is lost, the two others go on', async () => {
  rmSync(key('anna'))
  await push('other', 'release')
  expect(await sign('other@1', 'bert')).toMatchObject({ pending: false, outcome: { confirmed: ['pi-1'] } })
})

test('Once root has revoked the lost key, what it signed goes on where it runs, and is refused where it is new', async () => {
  const { roles } = await ask<{ roles: { release: { keys: { id: string }[] } } }>(fleet, '/v1/root')
  // In the order in which they were added.
  await fleet.hypha(['key', 'add', 'release', key('clara')])
  await fleet.hypha(['key', 'revoke', 'release', roles.release.keys[1]!.id])
  expect(await notices()).toEqual(['counter 1 has 1 of 2 signatures of the release role: hypha sign counter@1.'])
  await fleet.agents.get('pi-1')!.line(/follows root metadata version 5/)
  await fleet.addNode('pi-2', { nodeFile: steadySensor })
  await lastValue(fleet, { app: 'other', metric: 'ticks' }, ({ node }) => node === 'pi-2')
  const refused = await eventually('the refusal', async () => {
    const found = await section('pi-2', 'counter')
    return found?.status === 'refused' ? found : undefined
  })
  expect(refused.code).toBe('threshold-not-met')
  expect(await fleet.hypha(['node', 'pi-2'])).toMatch(/threshold-not-met/)
  expect(await section('pi-1', 'counter')).toMatchObject({ status: 'confirmed', code: null })
})

test('A new hand signs it again: the new node installs it, and the old one goes on without a restart', async () => {
  const before = (await section('pi-1', 'counter'))!
  const { value } = await lastValue(fleet, { app: 'counter', metric: 'ticks' }, ({ node }) => node === 'pi-1')
  const signed = await sign('counter@1', 'clara')
  expect(signed).toMatchObject({ pending: false, signed: 2 })
  expect([...signed.outcome!.confirmed].sort()).toEqual(['pi-1', 'pi-2'])
  expect(await notices()).toEqual([])
  await lastValue(fleet, { app: 'counter', metric: 'ticks' }, ({ node }) => node === 'pi-2')
  await lastValue(fleet, { app: 'counter', metric: 'ticks' }, (last) => last.node === 'pi-1' && last.value >= value + 5)
  const numbers = await ticks('pi-1')
  expect(numbers).toEqual(numbers.map((_, index) => index + 1))
  const after = (await section('pi-1', 'counter'))!
  expect(after).toMatchObject({ status: 'confirmed', instances: [{ restarts: before.instances[0]!.restarts }] })
  const { directive } = await nodeView('pi-1')
  expect(directive.held).toBe(directive.wanted)
  expect(await fleet.hypha(['events', '--app', 'counter'])).not.toMatch(/pi-1.*(refused|reverted|restart)/)
})
