import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { allHeardOnce, askStore, storedValues } from './stored-values.ts'
import { ask, type EventLine, eventOf, lastValue, steadySensor, writeApp } from './support.ts'

// A device says 1, 2, 3, …; a tally of its own counts what it hears, on whichever of two edges it is let. What it has counted goes with it.

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 })

const speaker = `
import { names } from "hypha/host/sensor";
import { publish } from "hypha/host/messages";
import { emit } from "hypha/host/telemetry";
let said: u32 = 0;
export function tick(nowMs: u64): void {
  if (names().length == 0) return;
  said++;
  publish("in/number", Uint8Array.wrap(String.UTF8.encode(said.toString())));
  emit("said", <f64>said);
}
`

/** Counts in its state and in its kv: both must go on where they were. */
const tally = `
import { get, set } from "hypha/host/kv";
import { emit } from "hypha/host/telemetry";
import { Result, Unit } from "hypha/types";
let counted = new Uint32Array(1);
export function deliver(topic: string, payload: Uint8Array): void {
  counted[0]++;
  const kept = get("counted");
  const before: u32 = kept === null ? 0 : <u32>parseInt(String.UTF8.decode(kept.buffer));
  set("counted", Uint8Array.wrap(String.UTF8.encode((before + 1).toString())));
  emit("heard", parseFloat(String.UTF8.decode(payload.buffer)));
  emit("counted", <f64>counted[0]);
  emit("kept", <f64>(before + 1));
}
export function save(): Uint8Array {
  return Uint8Array.wrap(counted.buffer.slice(0));
}
export function restore(from: string, saved: Uint8Array): Result<Unit, string> {
  counted[0] = load<u32>(saved.dataStart);
  return new Result<Unit, string>(true, 0, "");
}
`

const manifest = `[module.speaker]
timer = "50ms"
publish = ["in/#"]

[module.tally]
subscribe = ["in/#"]
requires = ["host"]
telemetry-per-s = 10000
`

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start({ name: 'moving' })
  const nodeFile = 'checkpoint = "200ms"\n'
  await fleet.addNode('edge-a', { tier: 'edge', nodeFile })
  // That it is gone is noticed within seconds.
  await fleet.addNode('edge-b', { tier: 'edge', nodeFile: `${nodeFile}liveness = "fast"\n` })
  await fleet.hypha(['node', 'label', 'edge-a', 'host'])
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
  await fleet.hypha(['push', '--no-wait', writeApp(fleet, 'app', manifest, { speaker, tally })])
  await heardOn('edge-a', 20)
})
afterAll(() => fleet.stop())

/** The tally counts on a node, and has come to so much. */
const heardOn = (node: string, least: number) =>
  lastValue(fleet, { app: 'app', metric: 'counted' }, (value) => value.node === node && value.value >= least)

async function letIn(to: string, from: string): Promise<void> {
  await fleet.hypha(['node', 'label', to, 'host'])
  await fleet.hypha(['node', 'label', from, '--remove', 'host'])
}

/** Who has the tally, by the gateway's own word. */
const holder = () =>
  askStore(fleet, (db) => db.prepare<[], { node: string; status: string }>('SELECT node, status FROM holders').get()!)

const stored = (metric: string) => storedValues(fleet, 'app', metric)

/** What waits for whom. */
const waiting = () =>
  askStore(fleet, (db) => {
    const checkpoints = db.prepare('SELECT node, number, handled FROM checkpoints').all()
    const inputs = 'SELECT node, number, CAST(payload AS TEXT) AS said FROM inputs ORDER BY number LIMIT 20'
    return `; ${JSON.stringify([holder(), checkpoints, db.prepare(inputs).all()])}`
  })

const allHeard = () => allHeardOnce(fleet, 'app', waiting)

test('An instance goes on where it was when it moves, and when it comes home: in state and kv, and with each input once.', async () => {
  await letIn('edge-b', 'edge-a')
  await eventOf(fleet, 'app', 'handed-over', /moved from edge-a to edge-b in \d+ ms, 0 turns lost/)
  const { value } = await heardOn('edge-b', 30)
  await letIn('edge-a', 'edge-b')
  await eventOf(fleet, 'app', 'handed-over', /moved from edge-b to edge-a in \d+ ms, 0 turns lost/)
  await heardOn('edge-a', value + 20)
  await allHeard()
  // Neither began anew, nor lost or doubled a turn.
  for (const metric of ['counted', 'kept']) {
    const rows = stored(metric)
    expect(rows.filter(({ times }) => times !== 1)).toEqual([])
    expect(rows.map((row) => row.value)).toEqual(rows.map((_, index) => index + 1))
  }
})

test('A gateway that is killed while a node has still to let go brings the move to its end, and loses or doubles nothing.', async () => {
  const from = fleet.agents.get('edge-a')!
  from.child.kill('SIGSTOP')
  try {
    await letIn('edge-b', 'edge-a')
    await eventually('edge-a to be asked to let go', () => holder().status === 'releasing' || undefined)
    await fleet.gateway!.end('SIGKILL')
    await fleet.startGateway()
    expect(holder()).toMatchObject({ node: 'edge-a', status: 'releasing' })
  } finally {
    from.child.kill('SIGCONT')
  }
  const before = (await ask<EventLine[]>(fleet, '/v1/events', { app: 'app' })).at(-1)!.id
  await eventually('edge-b to have it', async () => {
    const since = (await ask<EventLine[]>(fleet, '/v1/events', { app: 'app' })).filter(({ id }) => id > before)
    return (
      since.some(({ code, text }) => code === 'handed-over' && /to edge-b .*, 0 turns lost/.test(text)) || undefined
    )
  })
  const { value } = await lastValue(fleet, { app: 'app', metric: 'counted' })
  await heardOn('edge-b', value + 20)
  await allHeard()
  expect(stored('counted').filter(({ times }) => times !== 1)).toEqual([])
})

test('Where a node dies and never says what it kept, the instance goes on from its last checkpoint elsewhere, and the event says what is missing.', async () => {
  const { value } = await lastValue(fleet, { app: 'app', metric: 'counted' })
  await heardOn('edge-b', value + 20)
  await fleet.agents.get('edge-b')!.end('SIGKILL')
  await fleet.hypha(['node', 'label', 'edge-a', 'host'])
  await eventOf(fleet, 'app', 'handed-over', /edge-b is away, .*: it goes on from what it kept at .*is missing/)
  await heardOn('edge-a', value + 20)
  await allHeard()
})
