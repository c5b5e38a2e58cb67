import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PushAnswer } from '../../gateway/admin/api/schemas/apps.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { SimulatedBoard, startNodeAtPort, untilNode } from './board-support.ts'
import { ask, lastValue, writeApp } from './support.ts'

// sampler (sensor) → smooth (pure) → advisor (http, sql) → irrigate (actuator): the sensor and the actuator are a microcontroller's, and not one line says where to run.

const wit = `package garden:plants@0.1.0;

interface smoothing {
  add: func(reading: f64) -> result<f64, string>;
}

interface advice {
  advise: func(level: f64) -> result<f64, string>;
}

interface valve {
  water: func(amount: f64) -> result<f64, string>;
}
`

const sources = {
  sampler: `
import { read } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
import { write, Level } from "hypha/host/log";
import { add } from "garden/plants/smoothing";
let ticks: u32 = 0;
export function tick(nowMs: u64): void {
  const reading = read("soil");
  if (!reading.isOk) return;
  emit("soil", reading.value);
  const advised = add(reading.value);
  if (advised.isOk) emit("advised", advised.value);
  else write(Level.Warn, advised.error);
  emit("ticks", <f64>++ticks);
}
`,
  smooth: `
import { Result } from "hypha/types";
import { advise } from "garden/plants/advice";
let level: f64 = -1;
export function smoothing$add(reading: f64): Result<f64, string> {
  level = level < 0 ? reading : level * 0.5 + reading * 0.5;
  return advise(level);
}
`,
  advisor: `
import { execute, query, Value } from "hypha/host/sql";
import { Request, send } from "hypha/host/http";
import { get } from "hypha/host/config";
import { emit } from "hypha/host/telemetry";
import { err, Result } from "hypha/types";
import { water } from "garden/plants/valve";
let isReady = false;
export function advice$advise(level: f64): Result<f64, string> {
  if (!isReady) execute("CREATE TABLE IF NOT EXISTS levels (level REAL NOT NULL)", []);
  isReady = true;
  execute("INSERT INTO levels VALUES (?)", [Value.real(level)]);
  const kept = query("SELECT count(*) FROM levels", []);
  if (kept.isOk) emit("kept", <f64>kept.value.rows[0][0].integer);
  const answer = send(new Request("GET", get("url")!, [], new Uint8Array(0), 3000));
  if (!answer.isOk) return err<f64, string>("nobody tells the weather");
  const rains = String.UTF8.decode(answer.value.body.buffer) == "rain";
  return water(rains || level > 50.0 ? 0.0 : 1.0);
}
`,
  irrigate: `
import { set } from "hypha/host/actuator";
import { emit } from "hypha/host/telemetry";
import { err, ok, Result } from "hypha/types";
export function valve$water(amount: f64): Result<f64, string> {
  const done = set("led", amount);
  if (!done.isOk) return err<f64, string>("the valve does not answer");
  emit("watered", amount);
  return ok<f64, string>(amount);
}
`,
}

let fleet: Fleet
let board: SimulatedBoard | null = null
let weather: Server
let sky = 'sun'

beforeAll(async () => {
  weather = createServer((_request, response) => response.end(sky)).listen(0, '127.0.0.1')
  await new Promise<void>((resolve) => weather.once('listening', resolve))
  fleet = await Fleet.start({ name: 'garden', edge: true })
  board = new SimulatedBoard(fleet, 'mcu-1', '--sensor', 'soil=30')
  board.start('ttyUSB0')
  // Room for two modules.
  await fleet.joinNode('pi-7', { nodeFile: 'memory = "128KiB"\n' })
  await startNodeAtPort(fleet, 'pi-7', 'ttyUSB*')
  const allow = `127.0.0.1:${(weather.address() as AddressInfo).port}`
  await fleet.addNode('cloud-1', { tier: 'cloud', nodeFile: `[sql]\n\n[http]\nallow = ["${allow}"]\n` })
  await untilNode(fleet, 'pi-7', 'sees its board', ({ boards }) => boards.length > 0)
  await fleet.hypha(['accept', 'pi-7/mcu-1'])
  await untilNode(fleet, 'mcu-1', 'is online', ({ online }) => online)
})
afterAll(async () => {
  await board?.end()
  await fleet?.stop()
  weather.close()
})

function writeGarden(): string {
  const url = `http://127.0.0.1:${(weather.address() as AddressInfo).port}/`
  const app = writeApp(
    fleet,
    'garden',
    `[module.sampler]\ntimer = "500ms"\nturn = "8s"\n\n[module.smooth]\nturn = "7s"\n\n[module.advisor]\nturn = "6s"\nhttp = ["${url.slice(7, -1)}"]\n\n[module.advisor.config]\nurl = "${url}"\n\n[module.irrigate]\nturn = "3s"\n`,
    sources,
  )
  mkdirSync(join(app, 'wit'), { recursive: true })
  writeFileSync(join(app, 'wit/plants.wit'), wit)
  return app
}

test('Each module is where what it needs is, and the plan says why: four tiers, from the sensor to the cloud and back to the valve.', async () => {
  const { plan } = await fleet.json<PushAnswer>(['push', writeGarden()])
  expect(plan.instances.map(({ module, home, node }) => `${module}@${home} on ${node}`)).toEqual([
    'advisor@mcu-1 on cloud-1',
    'irrigate@mcu-1 on pi-7',
    'sampler@mcu-1 on pi-7',
    'smooth@mcu-1 on edge',
  ])
  const shown = (await fleet.hypha(['plan', '--app', 'garden'])).replace(/[│├─└\s]+/g, ' ')
  expect(shown).toMatch(
    /calls smooth, and mcu-1 is a microcontroller, which serves no links yet: placed on pi-7, 1 step from mcu-1, its sensor linked to mcu-1/,
  )
  expect(shown).toMatch(
    /imports hypha:host\/http@0.1.0, which mcu-1 does not provide.* placed on cloud-1, 11 steps from mcu-1/,
  )
})

test('A reading climbs from the board to the cloud and comes back as water, turn after turn.', async () => {
  expect(await lastValue(fleet, { app: 'garden', metric: 'advised' })).toMatchObject({ home: 'mcu-1', value: 1 })
  expect(await lastValue(fleet, { app: 'garden', metric: 'watered' })).toMatchObject({ node: 'pi-7', value: 1 })
  await lastValue(fleet, { app: 'garden', metric: 'kept' }, ({ value, node }) => value > 3 && node === 'cloud-1')
  expect(await fleet.hypha(['why-not', 'advisor', 'pi-7', '--of', 'mcu-1'])).toMatch(/which pi-7\s+does not provide/)
  sky = 'rain'
  await lastValue(fleet, { app: 'garden', metric: 'watered' }, ({ value }) => value === 0)
  interface LinkLine {
    module: string
    callee: string
    calls: number
  }
  const used = await eventually('links in use', async () => {
    const found = await ask<LinkLine[]>(fleet, '/v1/links', { app: 'garden' })
    return found.length >= 3 ? found : undefined
  })
  expect(used.map(({ module, callee }) => `${module} → ${callee}`).sort()).toEqual([
    'advisor → irrigate',
    'sampler → smooth',
    'smooth → advisor',
  ])
})

test('The cable is pulled: nothing is watered; put back, all goes on by itself.', async () => {
  board!.replug('pulled')
  await untilNode(fleet, 'mcu-1', 'is away', ({ online }) => !online)
  sky = 'sun'
  const since = Date.now()
  board!.replug('ttyUSB1')
  await lastValue(fleet, { app: 'garden', metric: 'watered' }, ({ value, at }) => value === 1 && at > since)
})
