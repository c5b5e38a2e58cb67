import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { ask, lastValue, writeApp } from './support.ts'

// sampler (sensor) → advisor (sql) → irrigate (actuator): two devices and an edge, and not one line about where to run.

const wit = `package garden:plants@0.1.0;

interface advice {
  /// How much water a reading asks for, which the device's own valve was told.
  advise: func(reading: f64) -> result<f64, string>;
}

interface valve {
  water: func(amount: f64) -> result<f64, string>;
}
`

const sampler = `
import { read } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
import { write, Level } from "hypha/host/log";
import { advise } from "garden/plants/advice";
export function tick(nowMs: u64): void {
  const reading = read("soil");
  if (!reading.isOk) return;
  const advice = advise(reading.value);
  if (advice.isOk) emit("advised", advice.value);
  else { emit("failed", 1.0); write(Level.Warn, advice.error); }
}
`

const advisor = `
import { query } from "hypha/host/sql";
import { emit } from "hypha/host/telemetry";
import { target, devices, home } from "hypha/host/links";
import { water } from "garden/plants/valve";
import { Result } from "hypha/types";
let asked: u32 = 0;
export function advice$advise(reading: f64): Result<f64, string> {
  asked++;
  return water(reading * 2.0);
}
export function tick(nowMs: u64): void {
  emit("asked", <f64>asked);
  const all = devices();
  let watered: f64 = 0;
  for (let i = 0; i < all.length; i++) {
    if (!target(all[i]).isOk) continue;
    const done = water(1.0);
    if (done.isOk) watered += 1.0;
  }
  emit("watered", watered);
  if (home() === null) emit("homeless", 1.0);
  if (nowMs == 0) query("SELECT 1", []);
}
`

const irrigate = `
import { set } from "hypha/host/actuator";
import { emit } from "hypha/host/telemetry";
import { err, ok, Result } from "hypha/types";
let pours: u32 = 0;
export function valve$water(amount: f64): Result<f64, string> {
  pours++;
  emit("pours", <f64>pours);
  const done = set("pump", amount);
  if (!done.isOk) return err<f64, string>("the pump does not answer");
  return ok<f64, string>(amount);
}
`

let fleet: Fleet

const nodeFile = (node: string, value: number): string => {
  const folder = join(fleet.folder, node)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'soil'), `${value}\n`)
  writeFileSync(join(folder, 'pump'), '0\n')
  return `[sensor.soil]\ndriver = "sysfs"\npath = "${folder}/soil"\n\n[actuator.pump]\ndriver = "file"\npath = "${folder}/pump"\nmax = 100\n`
}
const pump = (node: string): number => Number(readFileSync(join(fleet.folder, node, 'pump'), 'utf8'))

beforeAll(async () => {
  fleet = await Fleet.start({ name: 'garden', edge: true })
  await fleet.addNode('pi-1', { nodeFile: nodeFile('pi-1', 10) })
  await fleet.addNode('pi-2', { nodeFile: nodeFile('pi-2', 20) })
})
afterAll(() => fleet.stop())

interface LinkLine {
  module: string
  home: string | null
  callee: string
  calleeHome: string | null
  calleeNode: string
  calls: number
  failures: Record<string, number>
}
const links = () => ask<LinkLine[]>(fleet, '/v1/links', { app: 'garden' })

test('A shared advisor answers each device through that device’s own valve, and a timer waters all of them by name.', async () => {
  const app = writeApp(
    fleet,
    'garden',
    '[module.sampler]\ntimer = "300ms"\nturn = "3s"\n\n[module.advisor]\ntimer = "700ms"\nturn = "4s"\n\n[module.irrigate]\nturn = "2s"\n',
    { sampler, advisor, irrigate },
  )
  mkdirSync(join(app, 'wit'), { recursive: true })
  writeFileSync(join(app, 'wit/plants.wit'), wit)
  await fleet.hypha(['push', '--no-wait', app])
  expect(await lastValue(fleet, { app: 'garden', metric: 'advised' }, ({ home }) => home === 'pi-1')).toMatchObject({
    value: 20,
    node: 'pi-1',
  })
  expect(await lastValue(fleet, { app: 'garden', metric: 'advised' }, ({ home }) => home === 'pi-2')).toMatchObject({
    value: 40,
  })
  await lastValue(fleet, { app: 'garden', metric: 'watered' }, ({ value }) => value === 2)
  expect(await lastValue(fleet, { app: 'garden', metric: 'homeless' })).toMatchObject({ home: null })
  // It is written again and again; in between the file is empty.
  await eventually('water', async () => ([20, 1].includes(pump('pi-1')) ? true : undefined))
  const used = await eventually('links in use', async () => {
    const found = await links()
    return found.length >= 4 ? found : undefined
  })
  const shown = used.map(({ module, home, callee, calleeHome }) => `${module}@${home} → ${callee}@${calleeHome}`)
  expect(shown.sort()).toEqual([
    'advisor@null → irrigate@pi-1',
    'advisor@null → irrigate@pi-2',
    'sampler@pi-1 → advisor@null',
    'sampler@pi-2 → advisor@null',
  ])
  expect(await fleet.hypha(['links', '--app', 'garden'])).toMatch(/sampler@pi-1 +pi-1 +advisor/)
})

test('A device that is off fails its own calls and nobody else’s, and answers again when it is back.', async () => {
  await fleet.agents.get('pi-2')!.end('SIGKILL')
  await lastValue(fleet, { app: 'garden', metric: 'watered' }, ({ value }) => value === 1)
  const before = await lastValue(fleet, { app: 'garden', metric: 'advised' }, ({ home }) => home === 'pi-1')
  await lastValue(fleet, { app: 'garden', metric: 'advised' }, ({ home, at }) => home === 'pi-1' && at > before.at)
  const back = Date.now()
  await fleet.startAgent('pi-2')
  await lastValue(fleet, { app: 'garden', metric: 'advised' }, ({ home, at }) => home === 'pi-2' && at > back)
  await lastValue(fleet, { app: 'garden', metric: 'watered' }, ({ value }) => value === 2)
})

test('The edge dies in mid-call: callers are told that nobody can know, and go on when it is back.', async () => {
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway(true)
  const back = Date.now()
  await lastValue(fleet, { app: 'garden', metric: 'advised' }, ({ home, at }) => home === 'pi-1' && at > back)
  const told = await ask<{ text: string }[]>(fleet, '/v1/logs', { app: 'garden', limit: '1000' })
  expect(told.some(({ text }) => /callee-unreachable: .*\(it (may have run|did not run)\)/.test(text))).toBe(true)
})
