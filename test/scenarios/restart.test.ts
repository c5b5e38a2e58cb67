import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { hyphaProgram, RunningProgram } from '../../examples/demo/processes.ts'
import { Fleet } from '../support/fleet.ts'
import { lastValue, Stranger, steadySensor, writeApp } from './support.ts'

// The gateway goes down and comes back. Nodes run on meanwhile, and what they have counted arrives afterwards.

const counter = `
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
let ticks: u32 = 0;
export function tick(nowMs: u64): void {
  if (names().length > 0) emit("ticks", <f64>(++ticks));
}
`
const of = { app: 'counter', metric: 'ticks' }

let fleet: Fleet
const followers: RunningProgram[] = []

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  const app = writeApp(fleet, 'counter', '[module.count]\ntimer = "200ms"\n', { count: counter })
  await fleet.hypha(['push', '--no-wait', app])
  await lastValue(fleet, of)
  await fleet.hypha(['client', 'create', 'reader', '--subscribe', 'v/#', '--out', fleet.folder])
})
afterEach(async () => {
  await Promise.all(followers.splice(0).map((follower) => follower.end('SIGKILL')))
})
afterAll(() => fleet.stop())

function follow(): RunningProgram {
  const follower = new RunningProgram(hyphaProgram, ['values', '-f', '--json'], fleet.env)
  followers.push(follower)
  return follower
}

/** The numbers of all ticks that the gateway has stored. */
async function ticks(): Promise<number[]> {
  const asked = ['values', '--app', 'counter', '--metric', 'ticks', '--history', '10min']
  const [found] = await fleet.json<{ history: { mean: number }[] }[]>(asked)
  return found!.history.map(({ mean }) => mean)
}

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'After %s the nodes come back by themselves, every value is there once, and followers have heard of a clean end',
  async (signal) => {
    const follower = follow()
    await follower.line(/"ticks"/)
    await fleet.gateway!.end(signal)
    // "Try again later", for scripts.
    expect(await follower.ended).toBe(5)
    const said = JSON.parse(follower.lines.findLast((line) => line.includes('"error"'))!) as { error: { code: string } }
    expect(['gateway-stopping', 'gateway-unreachable']).toContain(said.error.code)
    expect((await fleet.tryHypha(['values'])).code).toBe(5)

    await fleet.startGateway()
    const { value } = await lastValue(fleet, of)
    await lastValue(fleet, of, (later) => later.value >= value + 5)
    const stored = await ticks()
    expect(stored).toEqual(stored.map((_, index) => index + 1))
    expect(await fleet.json(['nodes'])).toMatchObject([{ id: 'pi-1', online: true }])
    expect(await fleet.json(['app', 'counter'])).toMatchObject({ running: 1, instances: 1 })
  },
)

test('Retained values outlive the gateway, also while the node that they are of is away', async () => {
  await fleet.agents.get('pi-1')!.end('SIGKILL')
  const last = await fleet.json<{ value: number }[]>(['values', '--metric', 'ticks'])
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway()
  expect(await fleet.json(['nodes'])).toMatchObject([{ id: 'pi-1', online: false }])
  const file = (name: string) => join(fleet.folder, name)
  const tls = ['--cafile', file('ca.pem'), '--cert', file('reader.pem'), '--key', file('reader.key')]
  const broker = ['-h', '127.0.0.1', '-p', `${fleet.mqttPort}`, '-i', 'reader', ...tls]
  const reader = new Stranger('mosquitto_sub', [
    ...broker,
    '-t',
    'hypha/test/v/#',
    '-C',
    '1',
    '-F',
    '%r %p',
    '-W',
    '20',
  ])
  expect(await reader.ended).toBe(0)
  const [retained, payload] = reader.lines[0]!.split(' ')
  expect(retained).toBe('1')
  // A topic shows a value at most every so often: a kill may have come between.
  expect(last[0]!.value - (JSON.parse(payload!) as { value: number }).value).toBeLessThanOrEqual(2)

  await fleet.startAgent('pi-1')
  const { at } = await lastValue(fleet, of)
  await lastValue(fleet, of, (later) => later.at > at)
})
