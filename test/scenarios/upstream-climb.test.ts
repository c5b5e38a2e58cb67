import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CutProxy } from '../support/cut-proxy.ts'
import { Fleet } from '../support/fleet.ts'
import { allHeardOnce, storedValues } from './stored-values.ts'
import { ask, eventOf, lastValue, writeApp } from './support.ts'
import { cloudIsOnline, throughProxy } from './upstream-support.ts'

// A device says 1, 2, 3, …; smooth hears it, asks the device's sensor, opens its valve and enters it in the site's ledger, wherever it runs: on the device, on the site's edge, or in the cloud behind the uplink.

const wit = `package garden:plants@0.1.0;

interface soil {
  measure: func() -> result<f64, string>;
}

interface valve {
  water: func(amount: f64) -> result<f64, string>;
}

interface notes {
  note: func(number: f64) -> result<f64, string>;
}
`

/** Counts in its kv: in the same record as what it says. */
const sampler = `
import { get, set } from "hypha/host/kv";
import { read } from "hypha/host/sensor";
import { publish } from "hypha/host/messages";
import { emit } from "hypha/host/telemetry";
import { err, ok, Result } from "hypha/types";
export function tick(nowMs: u64): void {
  const kept = get("said");
  const said: u32 = kept === null ? 1 : <u32>parseInt(String.UTF8.decode(kept.buffer)) + 1;
  set("said", Uint8Array.wrap(String.UTF8.encode(said.toString())));
  publish("in/number", Uint8Array.wrap(String.UTF8.encode(said.toString())));
  emit("said", <f64>said);
}
export function soil$measure(): Result<f64, string> {
  const reading = read("soil");
  return reading.isOk ? ok<f64, string>(reading.value) : err<f64, string>("the sensor does not answer");
}
`

const irrigate = `
import { set } from "hypha/host/actuator";
import { emit } from "hypha/host/telemetry";
import { err, ok, Result } from "hypha/types";
export function valve$water(amount: f64): Result<f64, string> {
  if (!set("pump", amount).isOk) return err<f64, string>("the pump does not answer");
  emit("watered", amount);
  return ok<f64, string>(amount);
}
`

const ledger = `
import { get, set } from "hypha/host/kv";
import { emit } from "hypha/host/telemetry";
import { ok, Result } from "hypha/types";
export function notes$note(number: f64): Result<f64, string> {
  const kept = get("noted");
  const noted: u32 = kept === null ? 1 : <u32>parseInt(String.UTF8.decode(kept.buffer)) + 1;
  set("noted", Uint8Array.wrap(String.UTF8.encode(noted.toString())));
  emit("noted", number);
  return ok<f64, string>(<f64>noted);
}
export function tick(nowMs: u64): void {}
`

/** Emits all that it did of an input in the turn that handled it. */
const smooth = `
import { emit } from "hypha/host/telemetry";
import { write, Level } from "hypha/host/log";
import { Result, Unit } from "hypha/types";
import { measure } from "garden/plants/soil";
import { water } from "garden/plants/valve";
import { note } from "garden/plants/notes";
let counted: u32 = 0;
export function deliver(topic: string, payload: Uint8Array): void {
  const number = parseFloat(String.UTF8.decode(payload.buffer));
  counted++;
  emit("heard", number);
  emit("counted", <f64>counted);
  const reading = measure();
  if (!reading.isOk) { write(Level.Warn, reading.error); return; }
  const poured = water(reading.value * 2.0);
  if (!poured.isOk) { write(Level.Warn, poured.error); return; }
  const noted = note(number);
  if (!noted.isOk) { write(Level.Warn, noted.error); return; }
  emit("done", number);
}
export function save(): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(counted.toString()));
}
export function restore(release: string, state: Uint8Array): Result<Unit, string> {
  counted = <u32>parseInt(String.UTF8.decode(state.buffer));
  return new Result<Unit, string>(true, 0, "");
}
`

const manifest = `[module.sampler]
timer = "250ms"
publish = ["in/#"]

[module.smooth]
subscribe = ["in/#"]
turn = "5s"
telemetry-per-s = 10000

[module.irrigate]

[module.ledger]
timer = "1min"
requires = ["books"]
`

let upstream: Fleet
let site: Fleet
let proxy: CutProxy

const path = (name: string) => join(site.folder, 'world', name)
/** As a kernel's file: there is no moment at which it is empty. */
function set(name: string, value: number): void {
  writeFileSync(path(`${name}.new`), `${value}\n`)
  renameSync(path(`${name}.new`), path(name))
}
const mib = 1_048_576
const short = (node: string) => set(`free-${node}`, 8 * mib)
const well = (node: string) => set(`free-${node}`, 64 * mib)

/** How much memory a node has free is what a test says; its processors may be busy. */
const vitals = (node: string) => `checkpoint = "200ms"

[vital.free-memory]
driver = "sysfs"
path = "${path(`free-${node}`)}"
min = "16MiB"
clear = "32MiB"
for = "1s"

[vital.cpu]
watch = false
`

interface Detail {
  where: { module: string; node: string }[]
}
const nodeOf = async (module: string) =>
  (await ask<Detail>(site, '/v1/apps/garden')).where.find((each) => each.module === module)?.node

/** Inputs that were handled wholly on a node, since a moment. */
const doneOn = (node: string, since = Date.now()) =>
  lastValue(site, { app: 'garden', metric: 'done' }, (value) => value.node === node && value.at > since)

const stored = (metric: string) => storedValues(site, 'garden', metric)
const allHeard = () => allHeardOnce(site, 'garden')

beforeAll(async () => {
  upstream = await Fleet.start({ name: 'company' })
  site = await Fleet.start({ name: 'garden', edge: true })
  await site.gateway!.end()
  // What climbs comes home within seconds, so that the test need not wait.
  appendFileSync(
    join(site.folder, 'hypha/fleet.toml'),
    '\n[escalation]\nhold = "2s"\nvital-hold = "2s"\nmax-hold = "4s"\ncalm = "1s"\nsettle = "1s"\n',
  )
  mkdirSync(path('.'), { recursive: true })
  for (const node of ['pi-1', 'edge']) well(node)
  set('soil', 21)
  set('pump', 0)
  writeFileSync(join(site.folder, 'hypha/edge/agent.toml'), vitals('edge'))
  await site.startGateway(true)
  await site.hypha(['node', 'label', 'edge', 'books'])
  await site.addNode('pi-1', {
    nodeFile: `${vitals('pi-1')}
[sensor.soil]
driver = "sysfs"
path = "${path('soil')}"

[actuator.pump]
driver = "file"
path = "${path('pump')}"
max = 100
`,
  })

  // Its owner's words stand before it comes: a cut is noticed within seconds.
  const agent = join(upstream.folder, 'hypha/sites/north/agent')
  mkdirSync(agent, { recursive: true, mode: 0o700 })
  writeFileSync(join(agent, 'agent.toml'), 'liveness = "fast"\ncheckpoint = "200ms"\n\n[vital.cpu]\nwatch = false\n')
  const { url } = await upstream.json<{ url: string }>(['site', 'invite', 'north'])
  await site.hypha(['join-upstream', url])
  await cloudIsOnline(site, true)
  proxy = await throughProxy(site, upstream, true)
  await cloudIsOnline(site, true)

  const app = writeApp(site, 'garden', manifest, { sampler, smooth, irrigate, ledger })
  mkdirSync(join(app, 'wit'))
  writeFileSync(join(app, 'wit/plants.wit'), wit)
  await site.hypha(['push', app])
  await doneOn('pi-1')
})
afterAll(async () => {
  proxy?.close()
  await site?.stop()
  await upstream?.stop()
})

test('What its device has no memory for climbs to the edge, and on to the cloud across the uplink, with what it has counted; its sensor, its valve and the ledger stay where they are.', async () => {
  short('pi-1')
  await eventOf(site, 'garden', 'handed-over', /smooth@pi-1 moved from pi-1 to edge in \d+ ms, 0 turns lost/)
  await doneOn('edge')
  short('edge')
  await eventOf(site, 'garden', 'handed-over', /smooth@pi-1 moved from edge to cloud in \d+ ms, 0 turns lost/)
  const { value } = await doneOn('cloud')
  set('soil', 30)
  expect(await lastValue(site, { app: 'garden', metric: 'watered' }, (watered) => watered.value === 60)).toMatchObject({
    node: 'pi-1',
  })
  expect(await lastValue(site, { app: 'garden', metric: 'noted' }, (noted) => noted.value > value)).toMatchObject({
    node: 'edge',
  })
  expect(await nodeOf('smooth')).toBe('cloud')
  expect(await nodeOf('ledger')).toBe('edge')
  expect(await site.hypha(['why', 'smooth', '--of', 'pi-1'])).toMatch(/placed on cloud/)
  await allHeard()
})

test('When both are well again it comes home, and all that was said was heard once.', async () => {
  for (const node of ['edge', 'pi-1']) well(node)
  await doneOn('pi-1')
  await allHeard()
  // In its state it has counted every input, from the first one on.
  expect(stored('counted').map(({ value }) => value)).toEqual(stored('heard').map((_, index) => index + 1))
  expect(stored('counted').filter(({ times }) => times !== 1)).toEqual([])
})

test('Cut off in the cloud, it begins at the site again once its lease has run out and something there can hold it, and each input has one handler.', async () => {
  for (const node of ['pi-1', 'edge']) short(node)
  await doneOn('cloud')
  proxy.silence()
  await cloudIsOnline(site, false)
  await eventOf(site, null, 'node-lost', /is away and its lease has run out/, 'cloud')
  for (const node of ['pi-1', 'edge']) well(node)
  await doneOn('pi-1')
  proxy.cut()
  proxy.letGo()
  await cloudIsOnline(site, true)
  await eventOf(site, 'garden', 'lease-run-out', /./, 'cloud')
  await allHeard()
})
