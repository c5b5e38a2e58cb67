import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { ask, type EventLine, eventOf, lastValue, steadySensor, writeApp } from './support.ts'

// The gateway's folder is lost, and restored from a backup that is older than what nodes run. They refuse what it says and show what they hold; it goes on from there, rolls nothing
// back by itself, and says what it has lost.

const counter = `
import { get } from "hypha/host/config";
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
let ticks: u32 = 0;
export function tick(nowMs: u64): void {
  const level = get("level");
  if (names().length == 0 || level === null) return;
  emit("ticks", <f64>(++ticks));
  emit("level", parseFloat(level));
}
`
const manifest = (level: number) => `[module.count]\ntimer = "200ms"\n\n[module.count.config]\nlevel = "${level}"\n`

interface Section {
  app: string
  status: string
  epoch: number
  running: { digest: string; number: number | null }
  instances: { restarts: number; turns: number }[]
}

let fleet: Fleet
const gatewayFolder = () => join(fleet.folder, 'hypha/gateway')
const backup = () => join(fleet.folder, 'backup')

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  await fleet.hypha(['push', write(1)])
  await levelIs(1)
  await fleet.gateway!.end()
  cpSync(gatewayFolder(), backup(), { recursive: true })
  await fleet.startGateway()
})
afterAll(() => fleet.stop())

const write = (level: number) => writeApp(fleet, 'counter', manifest(level), { count: counter })
const levelIs = (level: number) => lastValue(fleet, { app: 'counter', metric: 'level' }, ({ value }) => value === level)
const section = async (): Promise<Section> => {
  const { sections } = await ask<{ sections: Section[] }>(fleet, '/v1/nodes/pi-1')
  return sections.find(({ app }) => app === 'counter')!
}
const notices = async () => (await ask<{ notices: string[] }>(fleet, '/v1/status')).notices

async function values(metric: string): Promise<number[]> {
  const asked = ['values', '--app', 'counter', '--metric', metric, '--history', '10min']
  const [found] = await fleet.json<{ history: { mean: number }[] }[]>(asked)
  return found!.history.map(({ mean }) => mean)
}

async function restore(): Promise<void> {
  await fleet.gateway!.end('SIGKILL')
  rmSync(gatewayFolder(), { recursive: true })
  cpSync(backup(), gatewayFolder(), { recursive: true })
  await fleet.startGateway()
}

test('A node goes on with the newer release that the restored gateway does not know, and the operator is told', async () => {
  await fleet.hypha(['config', 'set', 'counter', 'other', '1'])
  await fleet.hypha(['push', write(2)])
  await levelIs(2)
  await eventually(
    'the newest directive is confirmed',
    async () => (await section()).status === 'confirmed' || undefined,
  )
  const before = await section()
  const ticks = await lastValue(fleet, { app: 'counter', metric: 'ticks' })

  await restore()
  const { text } = await eventOf(fleet, 'counter', 'release-unknown', /./, 'pi-1')
  expect(text).toBe(
    "pi-1 runs a release of counter that this gateway doesn't know: push it again, or hypha rollback counter to go on with 1",
  )
  expect(await notices()).toContain(`${text}.`)
  const { value } = await lastValue(fleet, { app: 'counter', metric: 'ticks' }, (last) => last.value > ticks.value)
  await lastValue(fleet, { app: 'counter', metric: 'ticks' }, (last) => last.value >= value + 5)
  expect((await levelIs(2)).value).toBe(2)
  const after = await eventually('what runs is reported', async () => {
    const now = await section()
    return now.instances[0]!.turns > before.instances[0]!.turns ? now : undefined
  })
  expect(after).toMatchObject({ epoch: before.epoch, running: { digest: before.running.digest, number: null } })
  expect(after.instances[0]!.restarts).toBe(before.instances[0]!.restarts)
})

test('What the node had delivered since the backup is missing, and that is said; nothing is there twice', async () => {
  const { text } = await eventOf(fleet, null, 'gap', /./, 'pi-1')
  const missing = Number(/^(\d+) entries/.exec(text)?.[1])
  expect(missing).toBeGreaterThan(0)
  const [ticks, levels] = [await values('ticks'), await values('level')]
  // Release 2 began to count anew; of what it counted, the beginning is what the backup lacks.
  const began = levels.indexOf(2)
  expect(ticks.slice(0, began)).toEqual(ticks.slice(0, began).map((_, index) => index + 1))
  const later = ticks.slice(began)
  expect(later).toEqual(later.map((_, index) => later[0]! + index))
  expect(later[0]!).toBeGreaterThan(1)
  const gaps = await ask<EventLine[]>(fleet, '/v1/events', { limit: '1000' })
  expect(gaps.filter(({ code }) => code === 'gap')).toHaveLength(1)
})

test('A push goes on above the number and the epoch that the node has seen', async () => {
  const seen = await section()
  const pushed = await fleet.json<{ number: number; epoch: number; outcome: { confirmed: string[] } }>([
    'push',
    write(3),
  ])
  expect(pushed).toMatchObject({ number: 3, outcome: { confirmed: ['pi-1'] } })
  expect(pushed.epoch).toBeGreaterThan(seen.epoch)
  await levelIs(3)
  expect((await notices()).filter((text) => text.includes('counter'))).toEqual([])
})

test('A node that was away meanwhile is not put back unawares either, until a rollback says so', async () => {
  const { digest } = (await section()).running
  await fleet.agents.get('pi-1')!.end()
  await restore()
  // More directives than had been made before: the version alone would tell nothing any more.
  for (const value of ['1', '2', '3', '4', '5', '6']) await fleet.hypha(['config', 'set', 'counter', 'other', value])
  const { directive } = await ask<{ directive: { wanted: number; held: number } }>(fleet, '/v1/nodes/pi-1')
  await fleet.startAgent('pi-1')
  await eventOf(fleet, 'counter', 'release-unknown', /./, 'pi-1')
  // Until it has reported, what it said before the backup stands there.
  const { running } = await eventually('what runs is reported', async () => {
    const now = await section()
    return now?.running?.digest === digest ? now : undefined
  })
  expect(running).toEqual({ digest, number: null })
  expect(directive.wanted).toBeGreaterThan(6)

  const rolled = await fleet.json<{ number: number; outcome: { confirmed: string[] } }>(['rollback', 'counter'])
  expect(rolled).toMatchObject({ number: 1, outcome: { confirmed: ['pi-1'] } })
  await levelIs(1)
  expect((await notices()).filter((text) => text.includes('counter'))).toEqual([])
})
