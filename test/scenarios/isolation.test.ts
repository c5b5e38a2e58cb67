import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet } from '../support/fleet.ts'
import { wat } from '../support/wasm-guest.ts'
import { type EventLine, eventOf, lastValue, steadySensor, writeApp } from './support.ts'

// Apps that misbehave, beside one that counts its ticks on the same node. The neighbour is pushed first and runs until the end.

const neighbour = `
import { emit } from "hypha/host/telemetry";
let ticks: u32 = 0;
export function tick(nowMs: u64): void {
  ticks++;
  emit("ticks", <f64>ticks);
}
`

// In WebAssembly's text form, because what the SDK builds has a memory that never grows. The first tick takes all that it can get, the second traps.
const grower = `
(module
  (import "hypha:host/telemetry@0.1.0" "emit" (func $emit (param i32 i32 f64 i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "pages")
  (func (export "hypha:module/timer@0.1.0#tick") (param i64)
    (if (i32.gt_u (memory.size) (i32.const 1)) (then unreachable))
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (call $emit (i32.const 8) (i32.const 5) (f64.convert_i32_u (memory.size)) (i32.const 512)))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))
`

const looper = `
let spins: u64 = 0;
export function tick(nowMs: u64): void {
  while (true) spins++;
}
`

const flooder = `
import { Level, write } from "hypha/host/log";
import { publish, PublishError } from "hypha/host/messages";
import { emit, EmitError } from "hypha/host/telemetry";
let toldBySamples: u32 = 0;
let toldByMessages: u32 = 0;
const payload = new Uint8Array(16);
export function tick(nowMs: u64): void {
  emit("told-by-samples", <f64>toldBySamples);
  emit("told-by-messages", <f64>toldByMessages);
  for (let n = 0; n < 3000; n++) {
    const emitted = emit("flood", <f64>n);
    if (!emitted.isOk && emitted.error == EmitError.Throttled) toldBySamples++;
    const published = publish("flood", payload);
    if (!published.isOk && published.error == PublishError.Throttled) toldByMessages++;
    write(Level.Info, "flood");
  }
}
`

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  await push('neighbour', '[module.counter]\ntimer = "500ms"\n', { counter: neighbour })
  await lastValue(fleet, { app: 'neighbour', metric: 'ticks' })
})
afterAll(() => fleet.stop())

const push = (app: string, tables: string, sources: Record<string, string>) =>
  fleet.hypha(['push', '--no-wait', writeApp(fleet, app, tables, sources)])

/** What the node has said of the neighbour, and the numbers of its ticks. */
async function lookAtNeighbour(): Promise<{ events: EventLine[]; ticks: number[] }> {
  const asked = ['values', '--app', 'neighbour', '--metric', 'ticks', '--history', '10min']
  const [values, events] = await Promise.all([
    fleet.json<{ history: { mean: number }[] }[]>(asked),
    fleet.json<EventLine[]>(['events', '--app', 'neighbour']),
  ])
  return { events, ticks: values[0]!.history.map(({ mean }) => mean) }
}

/** Goes on until the neighbour has ticked a few times more, then sees that it has missed nothing. */
async function neighbourGoesOn(): Promise<void> {
  const { value } = await lastValue(fleet, { app: 'neighbour', metric: 'ticks' })
  await lastValue(fleet, { app: 'neighbour', metric: 'ticks' }, (later) => later.value >= value + 3)
  const { events, ticks } = await lookAtNeighbour()
  expect(ticks).toEqual(ticks.map((_, index) => index + 1))
  expect(events.filter(({ code }) => code !== 'placed' && code !== 'receipt')).toEqual([])
}

test('A module that loops without end is ended at its deadline, and its neighbour misses no tick.', async () => {
  await push('looper', '[module.spin]\ntimer = "100ms"\nturn = "100ms"\n', { spin: looper })
  expect((await eventOf(fleet, 'looper', 'deadline')).text).toMatch(/did not return before its deadline/)
  await neighbourGoesOn()
})

test('A module that grows its memory without end gets what it is given and no more, and its neighbour misses no tick.', async () => {
  const folder = writeApp(fleet, 'grower', '[module.grow]\ntimer = "100ms"\nmemory = "2MiB"\n', {})
  mkdirSync(join(folder, 'grow'))
  writeFileSync(join(folder, 'grow/grow.wasm'), await wat(grower))
  await fleet.hypha(['push', '--no-wait', folder])
  expect(await lastValue(fleet, { app: 'grower', metric: 'pages' })).toMatchObject({ value: 32 })
  expect((await eventOf(fleet, 'grower', 'trapped')).text).toMatch(
    /^unreachable .*; module "grow" has taken all its memory of 2097152 bytes$/,
  )
  await neighbourGoesOn()
})

test('A module that floods is throttled and told so, and its neighbour misses no tick.', async () => {
  await push('flooder', '[module.flood]\ntimer = "100ms"\npublish = ["flood"]\nheap = "2MiB"\nmemory = "4MiB"\n', {
    flood: flooder,
  })
  const { text } = await eventOf(fleet, 'flooder', 'throttled')
  expect(text).toMatch(/^over its rate: \d+ samples, \d+ messages, \d+ log lines dropped$/)
  await lastValue(fleet, { app: 'flooder', metric: 'told-by-samples' }, ({ value }) => value > 2_000)
  await lastValue(fleet, { app: 'flooder', metric: 'told-by-messages' }, ({ value }) => value > 2_000)
  expect(await fleet.hypha(['events', '--app', 'flooder'])).toContain('throttled')
  await neighbourGoesOn()
})

test('A release that only traps or loops is given up, and its node says so.', async () => {
  for (const app of ['looper', 'grower']) {
    expect((await eventOf(fleet, app, 'reverted')).text).toMatch(/^Release [0-9a-f]{12} is given up: /)
  }
  await neighbourGoesOn()
})
