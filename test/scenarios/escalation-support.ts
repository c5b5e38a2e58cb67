import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { eventually, type Fleet } from '../support/fleet.ts'
import { ask, type EventLine, writeApp } from './support.ts'

// What the scenarios of climbing share. On each device speaker (sensor) says 1, 2, 3, …; tally hears it and keeps count, and tells valve (actuator, sensor) of each number. What valve answers from its sensor is how
// tally does: 0 well, 1 without end in memory, 2 without end in time, 3 over its rate.

const wit = (app: string) => `package ${app}:water@0.1.0;

interface valve {
  water: func(number: f64) -> result<f64, string>;
}
`

/** Goes on counting after whatever has ended it. */
const speaker = `
import { get, set } from "hypha/host/kv";
import { names } from "hypha/host/sensor";
import { publish } from "hypha/host/messages";
import { emit } from "hypha/host/telemetry";
export function tick(nowMs: u64): void {
  if (names().length == 0) return;
  const kept = get("said");
  const said: u32 = kept === null ? 1 : <u32>parseInt(String.UTF8.decode(kept.buffer)) + 1;
  const text = Uint8Array.wrap(String.UTF8.encode(said.toString()));
  set("said", text);
  publish("in/number", text);
  emit("said", <f64>said);
}
`

const valve = (app: string) => `
import { set } from "hypha/host/actuator";
import { read } from "hypha/host/sensor";
import { err, ok, Result } from "hypha/types";
export function valve$water(number: f64): Result<f64, string> {
  if (!set("${app}-pump", number).isOk) return err<f64, string>("the pump does not answer");
  const mode = read("${app}-mode");
  return mode.isOk ? ok<f64, string>(mode.value) : err<f64, string>("the sensor does not answer");
}
`

/** What it emits says in one sample which input it was, and how many it has counted: they can't be told apart by a crash. */
const tally = (app: string) => `
import { publish } from "hypha/host/messages";
import { emit } from "hypha/host/telemetry";
import { Result, Unit } from "hypha/types";
import { water } from "${app}/water/valve";
let counted: u32 = 0;
let hoard: StaticArray<u8>[] = [];
export function deliver(topic: string, payload: Uint8Array): void {
  const number = parseFloat(String.UTF8.decode(payload.buffer));
  const told = water(number);
  const mode = told.isOk ? told.value : 0.0;
  if (mode == 1.0) while (true) hoard.push(new StaticArray<u8>(2048));
  if (mode == 2.0) while (true) counted++;
  if (mode == 3.0) for (let i = 0; i < 100; i++) publish("flood/all", payload);
  counted++;
  emit("heard", number * 1000000.0 + <f64>counted);
}
export function save(): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(counted.toString()));
}
export function restore(release: string, state: Uint8Array): Result<Unit, string> {
  counted = <u32>parseInt(String.UTF8.decode(state.buffer));
  return new Result<Unit, string>(true, 0, "");
}
`

/** On each device, or on those with a label. */
const manifest = (label?: string) => {
  const bound = label === undefined ? '' : `requires = ["${label}"]\n`
  return `[module.speaker]
timer = "200ms"
publish = ["in/#"]
${bound}
[module.tally]
subscribe = ["in/#"]
publish = ["flood/#"]
heap = "32KiB"
turn = "2s"

[module.valve]
${bound}`
}

export async function pushTally(fleet: Fleet, app: string, label?: string): Promise<void> {
  const folder = writeApp(fleet, app, manifest(label), { speaker, tally: tally(app), valve: valve(app) })
  mkdirSync(join(folder, 'wit'))
  writeFileSync(join(folder, 'wit/water.wit'), wit(app))
  await fleet.hypha(['push', folder])
}

/** A device's world, as one app sees it: what its sensors read, and what its actuators were told last. */
export class World {
  readonly #app: string
  readonly #folder: string

  constructor(fleet: Fleet, node: string, app: string) {
    this.#app = app
    this.#folder = join(fleet.folder, 'world', node, app)
    mkdirSync(this.#folder, { recursive: true })
    this.set('mode', 0)
    this.set('pump', 0)
  }

  path(name: string): string {
    return join(this.#folder, name)
  }

  /** As a kernel's file: there is no moment at which it is empty. */
  set(name: string, value: number): void {
    writeFileSync(this.path(`${name}.new`), `${value}\n`)
    renameSync(this.path(`${name}.new`), this.path(name))
  }

  /** The input that the pump was told of last. In between the file is empty. */
  pumped(): Promise<number> {
    return eventually('a pump', () => Number(readFileSync(this.path('pump'), 'utf8')) || undefined)
  }

  /** Waits until the pump is told of a later one. */
  async pumpsOn(): Promise<void> {
    const before = await this.pumped()
    await eventually(`a pump beyond ${before}`, async () => (await this.pumped()) > before || undefined)
  }

  /** For `agent.toml`; what is said of vitals goes below. */
  get bindings(): string {
    return `
[sensor.${this.#app}-mode]
driver = "sysfs"
path = "${this.path('mode')}"

[actuator.${this.#app}-pump]
driver = "file"
path = "${this.path('pump')}"
max = 1000000000
`
  }
}

interface AppDetail {
  where: { module: string; home: string | null; node: string; status: string }[]
  escalations: { module: string; home: string; node: string; cause: string; times: number; despite: string | null }[]
}
export const detailOf = (fleet: Fleet, app: string): Promise<AppDetail> => ask<AppDetail>(fleet, `/v1/apps/${app}`)

/** Events of an app after another one, or all. */
export const eventsOf = async (fleet: Fleet, app: string, code: string, after = 0): Promise<EventLine[]> =>
  (await ask<EventLine[]>(fleet, '/v1/events', { app, limit: '1000' })).filter(
    (event) => event.code === code && event.id > after,
  )

interface Handled {
  /** Which input it was. */
  readonly number: number
  readonly node: string
  /** What the instance had counted then. */
  readonly counted: number
}

function query<T>(fleet: Fleet, sql: string, ...params: string[]): T[] {
  const db = new Sqlite(join(fleet.folder, 'hypha/gateway/hypha.db'), { readonly: true })
  try {
    return db.prepare<string[], T>(sql).all(...params)
  } finally {
    db.close()
  }
}

const samplesOf = `SELECT node, value FROM samples JOIN series ON series.id = samples.series
  WHERE fleet = ? AND app = ? AND home = ? AND metric = ? ORDER BY at, seq`

/** Every handling of an input by a device's tally that the gateway has stored, in the order of time: inputs that waited at the gateway may come after some of the device's own. */
export const handledOf = (fleet: Fleet, app: string, home: string): Handled[] =>
  query<{ node: string; value: number }>(fleet, samplesOf, fleet.name, app, home, 'heard').map(({ node, value }) => ({
    number: Math.floor(value / 1e6),
    node,
    counted: value % 1e6,
  }))

/** Who has a device's tally, by the gateway's own word. */
export const holderOf = (fleet: Fleet, app: string, home: string): string | undefined =>
  query<{ node: string }>(fleet, 'SELECT node FROM holders WHERE app = ? AND home = ?', app, home)[0]?.node

/** For who looks for what is missing: where the inputs were handled, in that order, what waits at the gateway, and what was told of the tally. */
function historyOf(fleet: Fleet, app: string, home: string): string {
  const runs: { node: string; first: number; last: number }[] = []
  for (const { node, number } of handledOf(fleet, app, home)) {
    const run = runs.at(-1)
    if (run?.node === node && run.last === number - 1) run.last = number
    else runs.push({ node, first: number, last: number })
  }
  const waiting = query<{ node: string; number: number; payload: Uint8Array; failed: number | null }>(
    fleet,
    'SELECT node, number, payload, failed FROM inputs WHERE fleet = ? AND app = ? AND home = ? ORDER BY number LIMIT 20',
    ...[fleet.name, app, home],
  )
  const events = query<{ at: number; node: string; code: string; text: string }>(
    fleet,
    "SELECT at, node, code, text FROM events WHERE app = ? AND (home = ? OR module IS NULL OR module = '') ORDER BY id",
    ...[app, home],
  )
  return [
    `handled: ${runs.map(({ node, first, last }) => `${node} ${first}-${last}`).join(', ')}`,
    ...waiting.map(
      ({ node, number, payload, failed }) => `waiting: ${Buffer.from(payload)} for ${node} as ${number}, ${failed}`,
    ),
    ...events.map(({ at, node, code, text }) => `${new Date(at).toISOString()} ${node} ${code}: ${text.slice(0, 200)}`),
  ].join('\n')
}

/** Waits until all that a device has said by now was handled; answers how it was. */
export async function allHandled(fleet: Fleet, app: string, home: string): Promise<Handled[]> {
  const said = query<{ value: number }>(fleet, samplesOf, fleet.name, app, home, 'said').at(-1)!.value
  const missing = () => {
    const handled = new Set(handledOf(fleet, app, home).map(({ number }) => number))
    return Array.from({ length: said }, (_, index) => index + 1).filter((number) => !handled.has(number))
  }
  await eventually(
    `all ${said} inputs of ${home} to be handled`,
    () => missing().length === 0 || undefined,
    120_000,
    () => `; missing are ${missing().join(', ')}\n${historyOf(fleet, app, home)}`,
  )
  return handledOf(fleet, app, home).filter(({ number }) => number <= said)
}

/** How many turns went missing from what a tally has counted. */
export const turnsMissing = (handled: readonly Handled[]): number => handled.length - handled.at(-1)!.counted
