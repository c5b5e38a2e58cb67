import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { ask, type EventLine, lastValue, steadySensor, writeApp } from './support.ts'

// A device says 1, 2, 3, … two hundred times a second, and calls the same module fifty times a second, with no policy on the link, while that moves back and forth between two edges.

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 })

const app = 'app'
const wit = `package garden:plants@0.1.0;

interface counting {
  count: func(asked: u32) -> result<u32, string>;
}
`

const speaker = `
import { names } from "hypha/host/sensor";
import { publish } from "hypha/host/messages";
import { emit } from "hypha/host/telemetry";
let said: u32 = 0;
export function tick(nowMs: u64): void {
  if (names().length == 0) return;
  said++;
  publish("in/number", Uint8Array.wrap(String.UTF8.encode(said.toString())));
  if (said % 100 == 0) emit("said", <f64>said);
}
`

const asker = `
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
import { write, Level } from "hypha/host/log";
import { count } from "garden/plants/counting";
let asked: u32 = 0;
export function tick(nowMs: u64): void {
  if (names().length == 0) return;
  asked++;
  const counted = count(asked);
  if (counted.isOk) emit("answered", <f64>asked);
  else write(Level.Warn, counted.error);
}
`

/** Emits what it hears and what it is asked, and keeps how much that was. */
const tally = `
import { emit } from "hypha/host/telemetry";
import { ok, Result, Unit } from "hypha/types";
let turns = new Uint32Array(1);
export function deliver(topic: string, payload: Uint8Array): void {
  turns[0]++;
  emit("heard", parseFloat(String.UTF8.decode(payload.buffer)));
  emit("turns", <f64>turns[0]);
}
export function counting$count(asked: u32): Result<u32, string> {
  turns[0]++;
  emit("asked", <f64>asked);
  emit("turns", <f64>turns[0]);
  return ok<u32, string>(turns[0]);
}
export function save(): Uint8Array {
  return Uint8Array.wrap(turns.buffer.slice(0));
}
export function restore(from: string, saved: Uint8Array): Result<Unit, string> {
  turns[0] = load<u32>(saved.dataStart);
  return new Result<Unit, string>(true, 0, "");
}
`

/** Would keep something, and has nothing yet. */
const idler = `
import { Result, Unit } from "hypha/types";
export function tick(nowMs: u64): void {}
export function save(): Uint8Array {
  return new Uint8Array(0);
}
export function restore(from: string, saved: Uint8Array): Result<Unit, string> {
  return new Result<Unit, string>(true, 0, "");
}
`

/** Keeps nothing at all, and there is only one of it. */
const listener = `
export function deliver(topic: string, payload: Uint8Array): void {}
`

const manifest = `[module.speaker]
timer = "5ms"
publish = ["in/#"]
messages-per-s = 10000

[module.asker]
timer = "20ms"
isolate = true
telemetry-per-s = 10000

[module.tally]
subscribe = ["in/#"]
requires = ["host"]
telemetry-per-s = 10000

[module.idler]
timer = "1h"
requires = ["host"]

[module.listener]
subscribe = ["never"]
requires = ["host"]
`

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start({ name: 'loaded' })
  await fleet.addNode('edge-a', { tier: 'edge' })
  await fleet.addNode('edge-b', { tier: 'edge' })
  await fleet.hypha(['node', 'label', 'edge-a', 'host'])
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  const folder = writeApp(fleet, app, manifest, { speaker, asker, tally, idler, listener })
  mkdirSync(join(folder, 'wit'), { recursive: true })
  writeFileSync(join(folder, 'wit/plants.wit'), wit)
  await fleet.hypha(['push', '--no-wait', folder])
  await countedOn('edge-a', 200)
})
afterAll(() => fleet.stop())

/** The tally runs on a node, and has come to so many turns. */
const countedOn = (node: string, least: number) =>
  lastValue(fleet, { app, metric: 'turns' }, (value) => value.node === node && value.value >= least)

const arrivals = async () =>
  (await ask<EventLine[]>(fleet, '/v1/events', { app, limit: '1000' })).filter(({ code }) => code === 'handed-over')

/** Every value that was stored of a metric, and how often. */
function stored(metric: string): { readonly value: number; readonly times: number }[] {
  const db = new Sqlite(join(fleet.folder, 'hypha/gateway/hypha.db'), { readonly: true })
  try {
    return db
      .prepare<[string, string], { value: number; times: number }>(
        `SELECT value, count(*) AS times FROM samples JOIN series ON series.id = samples.series
        WHERE app = ? AND metric = ? GROUP BY value ORDER BY value`,
      )
      .all(app, metric)
  } finally {
    db.close()
  }
}

/** Of the numbers up to one, those that were not stored exactly once. */
function notOnce(metric: string, upTo: number): number[] {
  const times = new Map(stored(metric).map((row) => [row.value, row.times]))
  return Array.from({ length: upTo }, (_, index) => index + 1).filter((number) => times.get(number) !== 1)
}

test('While it moves back and forth no input is lost or handled twice, and no call fails.', async () => {
  for (let move = 1; move <= 6; move++) {
    const [to, from] = move % 2 === 1 ? ['edge-b', 'edge-a'] : ['edge-a', 'edge-b']
    await fleet.hypha(['node', 'label', to, 'host'])
    await fleet.hypha(['node', 'label', from, '--remove', 'host'])
    // Also what has nothing to bring: its node says so.
    await eventually(`move ${move}`, async () => (await arrivals()).length >= 3 * move || undefined)
    const { value } = await countedOn(to, 1)
    await countedOn(to, value + 100)
  }
  const texts = (await arrivals()).map(({ text }) => text)
  expect(texts.filter((text) => !/ in \d+ ms, 0 turns lost$/.test(text))).toEqual([])
  // The caller was told of no failure, and none of its calls was begun twice.
  const told = await ask<{ text: string }[]>(fleet, '/v1/logs', { app, limit: '1000' })
  expect(told.map(({ text }) => text)).toEqual([])
  const { value: answered } = await lastValue(fleet, { app, metric: 'answered' })
  await eventually('all answers to be stored', () => notOnce('answered', answered).length === 0 || undefined)
  await eventually('all calls to be stored', () => notOnce('asked', answered).length === 0 || undefined)
  const { value: said } = await lastValue(fleet, { app, metric: 'said' })
  await eventually(
    `${said} to be heard once each`,
    () => notOnce('heard', said).length === 0 || undefined,
    60_000,
    () => `; but not ${notOnce('heard', said).join(', ')}`,
  )
  // It never went back in what it keeps.
  expect(stored('turns').filter(({ times }) => times !== 1)).toEqual([])
})
