import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet } from '../support/fleet.ts'
import { beatsOn, fast, placedOn } from './lease-support.ts'
import { inState, nodeAt, rolloutOf } from './rollout-support.ts'
import { eventOf, lastValue, steadySensor, writeApp } from './support.ts'

// The node that runs what there is one of dies while a rollout prepares, and the rollout waits for another one that is there and says nothing.

/** Counts in its kv, of which its node tells the gateway now and then. */
const beat = (metric: string) => `
import { get, set } from "hypha/host/kv";
import { emit } from "hypha/host/telemetry";
export function tick(nowMs: u64): void {
  const kept = get("beats");
  const beats: u32 = kept === null ? 1 : <u32>parseInt(String.UTF8.decode(kept.buffer)) + 1;
  set("beats", Uint8Array.wrap(String.UTF8.encode(beats.toString())));
  emit("${metric}", <f64>beats);
}
`

const local = `
import { names } from "hypha/host/sensor";
export function tick(nowMs: u64): void {
  names();
}
`

const manifest = '[module.beat]\ntimer = "100ms"\n\n[module.local]\ntimer = "1s"\n'

let fleet: Fleet
const push = (metric: string) =>
  fleet.hypha(['push', '--snap', '--no-wait', writeApp(fleet, 'heart', manifest, { beat: beat(metric), local })])

beforeAll(async () => {
  fleet = await Fleet.start({ name: 'losing' })
  for (const edge of ['edge-1', 'edge-2']) {
    await fleet.addNode(edge, { tier: 'edge', nodeFile: `${fast}checkpoint = "200ms"\n` })
  }
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  await push('beats')
  await fleet.reached('heart', 'confirmed')
})
afterAll(() => fleet.stop())

test('What runs once in the site is elsewhere once its node’s lease has run out, whatever rollout is on, and the rollout ends well', async () => {
  const { node: dead } = await placedOn(fleet, ['heart', 'beat'])
  const other = dead === 'edge-1' ? 'edge-2' : 'edge-1'
  const { value: before } = await beatsOn(fleet, dead)
  const { child } = fleet.agents.get('pi-1')!
  child.kill('SIGSTOP')
  try {
    await push('pulses')
    await nodeAt(fleet, 'heart', dead, 'prepared')
    await fleet.agents.get(dead)!.end('SIGKILL')
    await eventOf(fleet, null, 'node-lost', /./, dead)
    // By the release that is in force still.
    const { value } = await beatsOn(fleet, other)
    expect(value).toBeGreaterThanOrEqual(before)
  } finally {
    child.kill('SIGCONT')
  }
  await inState(fleet, 'heart', 2, 'done')
  const { value, node } = await lastValue(fleet, { app: 'heart', metric: 'pulses' })
  expect(node).toBe(other)
  expect(value).toBeGreaterThan(before)
  await fleet.startAgent(dead)
  await eventOf(fleet, null, 'node-back', /./, dead)
  expect((await rolloutOf(fleet, 'heart')).phases?.state).toBe('done')
})
