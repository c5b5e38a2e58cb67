import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet } from '../support/fleet.ts'
import { fast, placedOn, untilOnline } from './lease-support.ts'
import { ask, eventOf, lastValue, steadySensor, type ValueLine, writeApp } from './support.ts'

// The edge that answers dies in the middle of calls: another answers in its place, and the callers go on where they are.

const wit = `package garden:plants@0.1.0;

interface advice {
  advise: func(reading: f64) -> result<f64, string>;
}
`

const asker = `
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
import { write, Level } from "hypha/host/log";
import { advise } from "garden/plants/advice";
let asked: u32 = 0;
export function tick(nowMs: u64): void {
  if (names().length == 0) return;
  asked++;
  emit("ticks", <f64>asked);
  const advice = advise(<f64>asked);
  if (advice.isOk) emit("advised", advice.value);
  else write(Level.Warn, advice.error);
}
`

const advisor = `
import { emit } from "hypha/host/telemetry";
import { ok, Result, Unit } from "hypha/types";
let answered: u32 = 0;
export function advice$advise(reading: f64): Result<f64, string> {
  answered++;
  emit("answered", <f64>answered);
  return ok<f64, string>(reading);
}
export function save(): Uint8Array { return Uint8Array.wrap(String.UTF8.encode(answered.toString())); }
export function restore(release: string, state: Uint8Array): Result<Unit, string> {
  answered = <u32>parseInt(String.UTF8.decode(state.buffer));
  return new Result<Unit, string>(true, 0, "");
}
export function tick(nowMs: u64): void {}
`

let fleet: Fleet
const app = 'garden'

beforeAll(async () => {
  fleet = await Fleet.start({ name: 'garden' })
  await fleet.addNode('edge-1', { tier: 'edge', nodeFile: fast })
  await fleet.addNode('edge-2', { tier: 'edge', nodeFile: fast })
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  const manifest =
    '[module.asker]\ntimer = "200ms"\nturn = "60s"\n\n[module.asker.link."garden:plants/advice"]\npolicy = "retry"\n\n[module.advisor]\ntimer = "1h"\n'
  const folder = writeApp(fleet, app, manifest, { asker, advisor })
  mkdirSync(join(folder, 'wit'), { recursive: true })
  writeFileSync(join(folder, 'wit/plants.wit'), wit)
  await fleet.hypha(['push', '--no-wait', folder])
})
afterAll(async () => {
  // It would wait for its last call to be answered.
  await fleet.agents.get('pi-1')?.end('SIGKILL')
  await fleet.stop()
})

const advised = (accept: (value: ValueLine) => boolean = () => true) =>
  lastValue(fleet, { app, metric: 'advised' }, accept)
const answeredBy = (node: string, after = 0) =>
  lastValue(fleet, { app, metric: 'answered' }, (value) => value.node === node && value.at > after)

/** Who dies, and who takes over. */
let [dead, other] = ['', '']

test('Killed in the middle of calls, an edge is missed, given up, and its calls are answered by another within the same turn', async () => {
  dead = (await placedOn(fleet, [app, 'advisor'])).node
  other = dead === 'edge-1' ? 'edge-2' : 'edge-1'
  await answeredBy(dead)
  const before = await advised()
  await fleet.agents.get(dead)!.end('SIGKILL')
  await untilOnline(fleet, dead, false)
  await eventOf(fleet, null, 'node-lost', /./, dead)
  await eventOf(fleet, app, 'moved', new RegExp(`advisor moves from ${dead} to ${other}`))
  await answeredBy(other)
  await advised(({ at, value }) => at > before.at && value > before.value + 3)
  // No turn of the caller was told of a failure.
  const told = await ask<{ text: string }[]>(fleet, '/v1/logs', { app, limit: '1000' })
  expect(told.map(({ text }) => text)).toEqual([])
})

test('When it comes back it runs nothing of that, and nothing moves', async () => {
  await fleet.startAgent(dead)
  await eventOf(fleet, null, 'node-back', /./, dead)
  await answeredBy(other, Date.now())
  const { where } = await ask<{ where: { module: string; node: string; status: string }[] }>(fleet, `/v1/apps/${app}`)
  expect(where.find(({ module }) => module === 'advisor')).toMatchObject({ node: other, status: 'running' })
})

test('A new release of what is shared takes over in two phases, under the lease that its node has', async () => {
  const folder = join(fleet.folder, 'apps', app)
  writeFileSync(join(folder, 'advisor/assembly/index.ts'), advisor.replace('emit("answered"', 'emit("answered-anew"'))
  await fleet.hypha(['push', folder])
  const anew = await lastValue(fleet, { app, metric: 'answered-anew' })
  expect(anew.node).toBe(other)
  await advised(({ at }) => at > anew.at)
})
