import { loadIdentity, saveIdentity } from '../../agent/home.ts'
import { CutProxy } from '../support/cut-proxy.ts'
import { eventually, type Fleet } from '../support/fleet.ts'
import { ask, type EventLine, lastValue, writeApp } from './support.ts'

/** Its node is missed within two seconds, and its leases are for three. */
export const fast = 'liveness = "fast"\n'

/** A shared module that counts its ticks, and keeps the count. */
const beat = `
import { emit } from "hypha/host/telemetry";
import { Result, Unit } from "hypha/types";
let beats: u32 = 0;
export function save(): Uint8Array { return Uint8Array.wrap(String.UTF8.encode(beats.toString())); }
export function restore(release: string, state: Uint8Array): Result<Unit, string> {
  beats = <u32>parseInt(String.UTF8.decode(state.buffer));
  return new Result<Unit, string>(true, 0, "");
}
export function tick(nowMs: u64): void {
  beats++;
  emit("beats", <f64>beats);
}
export function deliver(topic: string, payload: Uint8Array): void {
  emit("heard", parseFloat(String.UTF8.decode(payload.buffer)));
}
`

/** An app whose one module beats every 100 ms, on one node at a time. */
export const pushBeat = (fleet: Fleet, app = 'heart', more = ''): Promise<string> =>
  fleet.hypha([
    'push',
    '--no-wait',
    writeApp(fleet, app, `[module.beat]\ntimer = "100ms"\nsubscribe = ["say"]\n${more}`, { beat }),
  ])

/** An edge whose connection a test can cut. */
export async function addEdge(fleet: Fleet, node: string, nodeFile = fast): Promise<CutProxy> {
  const proxy = await CutProxy.to(fleet.mqttPort)
  await fleet.joinNode(node, { tier: 'edge', nodeFile })
  const home = fleet.agentHome(node)
  saveIdentity(home, { ...loadIdentity(home), brokerPort: proxy.port })
  await fleet.startAgent(node)
  return proxy
}

/** Waits until a node has beaten after a moment; its newest beat. */
export const beatsOn = (fleet: Fleet, node: string, after = 0, app = 'heart'): Promise<{ value: number; at: number }> =>
  lastValue(fleet, { app, metric: 'beats' }, (value) => value.node === node && value.at > after)

async function historyOf(
  fleet: Fleet,
  app: string,
  metric: string,
  node?: string,
): Promise<{ at: number; min: number }[]> {
  const query = { app, module: 'beat', metric, node, limit: '100000' }
  return (await ask<{ points: { at: number; min: number }[] }>(fleet, '/v1/values/history', query)).points
}

/** When a node has beaten, by its own clock: all of it that has been stored. */
export const beatTimes = async (fleet: Fleet, node: string, app = 'heart'): Promise<number[]> =>
  (await historyOf(fleet, app, 'beats', node)).map(({ at }) => at)

/** What was heard on any node, sorted: a number twice where two turns were given it. */
export const heard = async (fleet: Fleet): Promise<number[]> =>
  (await historyOf(fleet, 'heart', 'heard')).map(({ min }) => min).sort((a, b) => a - b)

/** Waits until the gateway knows that a node is away, or is there. */
export const untilOnline = (fleet: Fleet, node: string, online: boolean): Promise<true> =>
  eventually(`${node} is ${online ? 'online' : 'away'}`, async () => {
    const found = await ask<{ online: boolean }>(fleet, `/v1/nodes/${node}`)
    return found.online === online || undefined
  })

/** Waits until the plan has a shared module on a node that `accept` takes; the node, and the plan's sentences. */
export const placedOn = (
  fleet: Fleet,
  [app, module]: readonly [app: string, module: string],
  accept: (node: string) => boolean = () => true,
): Promise<{ readonly node: string; readonly why: readonly string[] }> =>
  eventually(`${module} of ${app} has its place`, async () => {
    const { instances } = await ask<{ instances: { module: string; node: string; why: string[] }[] }>(
      fleet,
      `/v1/apps/${app}/plan`,
    )
    return instances.find((each) => each.module === module && accept(each.node))
  })

/** How often a beat was another node's than the one before it, by the nodes' own clocks; and how often the gateway has moved it. */
export async function handovers(fleet: Fleet, nodes: readonly string[]): Promise<{ seen: number; ordered: number }> {
  const all = await Promise.all(nodes.map(async (node) => (await beatTimes(fleet, node)).map((at) => ({ at, node }))))
  const beats = all.flat().sort((a, b) => a.at - b.at)
  const seen = beats.filter(({ node }, index) => index > 0 && beats[index - 1]!.node !== node).length
  const events = await ask<EventLine[]>(fleet, '/v1/events', { app: 'heart', limit: '1000' })
  return { seen, ordered: events.filter(({ code }) => code === 'moved').length }
}
