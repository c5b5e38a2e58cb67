import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { ask, eventOf, type ValueLine, writeApp } from './support.ts'

// sampler (sensor) → smooth: smooth does as the device's sensor says, which the test sets: well, or without end in memory or in time.

const wit = `package garden:smoothing@0.1.0;

interface smoothing {
  smooth: func(mode: f64) -> f64;
}
`

const sampler = `
import { read } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
import { smooth } from "garden/smoothing/smoothing";
let ticks: u32 = 0;
export function tick(nowMs: u64): void {
  const mode = read("mode");
  ticks++;
  emit("ticks", <f64>ticks);
  if (mode.isOk) emit("smoothed", smooth(mode.value));
}
`

const smooth = `
import { set } from "hypha/host/kv";
import { Result, Unit } from "hypha/types";
import { emit } from "hypha/host/telemetry";
let turns: u32 = 0;
let hoard: StaticArray<u8>[] = [];
export function smoothing$smooth(mode: f64): f64 {
  turns++;
  if (turns == 1) set("began", new Uint8Array(1));
  if (mode == 1.0) while (true) hoard.push(new StaticArray<u8>(2048));
  if (mode == 2.0) while (true) turns++;
  emit("turns", <f64>turns);
  return <f64>turns;
}
export function save(): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(turns.toString()));
}
export function restore(release: string, state: Uint8Array): Result<Unit, string> {
  turns = <u32>parseInt(String.UTF8.decode(state.buffer));
  return new Result<Unit, string>(true, 0, "");
}
`

let fleet: Fleet

const file = (name: string) => join(fleet.folder, 'bound', name)
/** As a kernel's file: there is no moment at which it is empty. */
function set(name: string, value: number): void {
  writeFileSync(file(`${name}.new`), `${value}\n`)
  renameSync(file(`${name}.new`), file(name))
}

const nodeFile = () => `[sensor.mode]
driver = "sysfs"
path = "${file('mode')}"

[vital.free-memory]
driver = "sysfs"
path = "${file('free')}"
min = "16MiB"
clear = "32MiB"
for = "1s"

[vital.cpu]
watch = false
`

interface Detail {
  where: { module: string; home: string | null; node: string; status: string }[]
  escalations: { module: string; home: string; node: string; cause: string; times: number; despite: string | null }[]
}
const detail = () => ask<Detail>(fleet, '/v1/apps/garden')
const nodeOf = async (module: string) =>
  (await detail()).where.find((each) => each.module === module && each.home === 'pi-1')?.node
const isOn = (module: string, node: string) =>
  eventually(`${module} on ${node}`, async () => (await nodeOf(module)) === node || undefined, 120_000)
/** Values of an instance come from a node, newer than those before. */
const flowsFrom = (node: string, since = Date.now()) =>
  eventually(
    `values from ${node}`,
    async () => {
      const values = await ask<ValueLine[]>(fleet, '/v1/values', { app: 'garden', metric: 'turns' })
      return values.find((value) => value.node === node && value.at > since)
    },
    120_000,
  )

beforeAll(async () => {
  fleet = await Fleet.start({ name: 'garden', edge: true })
  await fleet.gateway!.end()
  // What climbs comes home within seconds, so that the test need not wait.
  appendFileSync(
    join(fleet.folder, 'hypha/fleet.toml'),
    '\n[escalation]\nhold = "1h"\nvital-hold = "2s"\nmax-hold = "2h"\ncalm = "1s"\nsettle = "1s"\n',
  )
  await fleet.startGateway(true)
  mkdirSync(join(fleet.folder, 'bound'))
  set('mode', 0)
  set('free', 64 * 1_048_576)
  await fleet.addNode('pi-1', { nodeFile: nodeFile() })
  const app = writeApp(
    fleet,
    'garden',
    '[module.sampler]\ntimer = "200ms"\nturn = "3s"\n\n[module.smooth]\nheap = "32KiB"\nturn = "300ms"\n\n[module.sampler.link."garden:smoothing/smoothing"]\npolicy = "drop"\n',
    { sampler, smooth },
  )
  mkdirSync(join(app, 'wit'))
  writeFileSync(join(app, 'wit/smoothing.wit'), wit)
  await fleet.hypha(['push', app])
  await flowsFrom('pi-1')
}, 180_000)
afterAll(() => fleet.stop())

test('A module that takes all its memory again and again climbs to the edge, and an operator has it come home.', {
  timeout: 180_000,
}, async () => {
  set('mode', 1)
  const event = await eventOf(fleet, 'garden', 'escalated', /for want of memory/)
  set('mode', 0)
  expect(event.text).toMatch(
    /^garden\/smooth@pi-1 may not be on pi-1 for now: trapped \d+ times in \d+ s for want of memory on pi-1 \(limit \d+ KiB\)$/,
  )
  await isOn('smooth', 'edge')
  await flowsFrom('edge')
  expect(await nodeOf('sampler')).toBe('pi-1')
  expect(await fleet.hypha(['why', 'smooth', '--of', 'pi-1'])).toMatch(/trapped \d+ times .* placed on edge/)
  expect(await fleet.hypha(['why-not', 'smooth', 'pi-1', '--of', 'pi-1'])).toMatch(/pi-1 can't hold it: trapped/)
  expect(await fleet.hypha(['app', 'garden'])).toMatch(/smooth@pi-1 +pi-1 +edge .*trapped/)
  await fleet.hypha(['come-home', 'garden', 'smooth', '--of', 'pi-1'])
  await isOn('smooth', 'pi-1')
  await flowsFrom('pi-1')
  await eventOf(fleet, 'garden', 'come-home', /an operator says so/)
})

test('A module that overruns its deadline climbs, too.', { timeout: 180_000 }, async () => {
  set('mode', 2)
  await eventOf(fleet, 'garden', 'escalated', /overran the deadline of its turn/)
  set('mode', 0)
  await isOn('smooth', 'edge')
  await flowsFrom('edge')
  await fleet.hypha(['come-home', 'garden', 'smooth'])
  await isOn('smooth', 'pi-1')
  await flowsFrom('pi-1')
})

test('A node that runs short of memory is relieved of it, and gets it back when it is well; the gateway may be killed in between.', {
  timeout: 180_000,
}, async () => {
  set('free', 8 * 1_048_576)
  await eventOf(fleet, 'garden', 'escalated', /pi-1 has 8 MiB of memory free, below 16 MiB/)
  await isOn('smooth', 'edge')
  await flowsFrom('edge')
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway(true)
  expect((await detail()).escalations).toMatchObject([{ module: 'smooth', node: 'pi-1', cause: 'free-memory' }])
  set('free', 64 * 1_048_576)
  await isOn('smooth', 'pi-1')
  await flowsFrom('pi-1')
  await eventOf(fleet, 'garden', 'come-home', /pi-1 has enough memory free again/)
})
