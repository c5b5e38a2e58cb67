import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compare } from '../../bench/kill.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { NumberSource } from '../support/number-source.ts'
import { eventOf, writeApp } from './support.ts'

// A node that is alone: its gateway is gone as it boots, or what it was sent doesn't work. What it has confirmed runs, and nothing of it is lost.

const tables = '[module.counter]\ntimer = "10ms"\ntelemetry-per-s = 1000\n'

const counter = `
import { read } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
export function tick(nowMs: u64): void {
  const number = read("number");
  if (number.isOk) emit("number", number.value);
}
`

const trapping = `
import { names } from "hypha/host/sensor";
export function tick(nowMs: u64): void {
  if (names().length > 0) unreachable();
}
`

const node = 'pi-1'
let fleet: Fleet
let source: NumberSource

beforeAll(async () => {
  fleet = await Fleet.start()
  source = await NumberSource.listen(join(fleet.folder, 'numbers.sock'))
  await fleet.addNode(node, { nodeFile: `[sensor.number]\ndriver = "socket"\npath = "${source.path}"\n` })
  await fleet.hypha(['push', writeApp(fleet, 'counter', tables, { counter })])
  await fleet.reached('counter', 'confirmed')
})
afterAll(async () => {
  await fleet.stop()
  source.close()
})

/** The module has read, emitted and journaled so many more numbers. */
async function ticks(count: number): Promise<void> {
  const { length } = source.counted
  await eventually(`${count} ticks`, () => source.counted.length >= length + count || undefined)
}

/** Every number that counts by now is in the database once; others come meanwhile. */
async function allStored(): Promise<void> {
  const counted = [...source.counted]
  await eventually('every number is stored', () => compare(fleet, counted).lost === 0 || undefined)
  expect(compare(fleet, counted).doubled).toBe(0)
}

test('a node boots without its gateway, runs what it confirmed, and its values come when the gateway is back', async () => {
  await fleet.agents.get(node)!.end()
  await fleet.gateway!.end('SIGKILL')
  const agent = fleet.spawnAgent(node)
  await ticks(100)
  await agent.end('SIGKILL')
  fleet.spawnAgent(node)
  await ticks(100)
  await fleet.startGateway()
  await fleet.agents.get(node)!.line(/connected/)
  await ticks(10)
  await allStored()
})

test('a new release that traps is given up, and the confirmed one runs on, also after a start without the gateway', async () => {
  // The gateway would take it back after the first trap; here the node is left to itself.
  const alone = `[rollout]\nrollback = false\n\n${tables}`
  const pushed = await fleet.tryHypha(['push', writeApp(fleet, 'counter', alone, { counter: trapping })])
  expect(pushed.code).not.toBe(0)
  await eventOf(fleet, 'counter', 'reverted', /Trapped 3 times/)
  await fleet.reached('counter', 'reverted')
  await ticks(100)

  await fleet.gateway!.end('SIGKILL')
  await fleet.agents.get(node)!.end('SIGKILL')
  fleet.spawnAgent(node)
  await ticks(100)
  await fleet.startGateway()
  await fleet.agents.get(node)!.line(/connected/)
  await fleet.reached('counter', 'reverted')
  await allStored()
})
