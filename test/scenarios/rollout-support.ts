import { vi } from 'vitest'
import { loadIdentity, saveIdentity } from '../../agent/home.ts'
import { CutProxy } from '../support/cut-proxy.ts'
import { eventually, type Fleet } from '../support/fleet.ts'
import { ask, steadySensor, writeApp } from './support.ts'

/** A rollout takes seconds; on a machine that is busy with others, a minute. */
const patienceMs = 120_000
vi.setConfig({ testTimeout: 4 * patienceMs, hookTimeout: 4 * patienceMs })

/** How far a rollout is, as the API tells it. */
export interface RolloutAnswer {
  readonly release: number
  readonly done: boolean
  readonly phases: {
    readonly release: number
    readonly state: string
    readonly why: string | null
    readonly waitsFor: string | null
  } | null
  readonly nodes: readonly {
    readonly node: string
    readonly online: boolean
    readonly epoch: number
    readonly status: string
    readonly waitsFor: string | null
  }[]
}

export const rolloutOf = (fleet: Fleet, app: string): Promise<RolloutAnswer> =>
  ask<RolloutAnswer>(fleet, `/v1/apps/${app}/rollout`)

const ended = ['done', 'aborted', 'rolled-back', 'superseded']

/** Waits until an app's rollout is as `accept` says; fails with how it stood last. */
async function untilRollout(
  fleet: Fleet,
  app: string,
  what: string,
  accept: (answer: RolloutAnswer) => RolloutAnswer | undefined,
): Promise<RolloutAnswer> {
  let last: RolloutAnswer | null = null
  return eventually(
    what,
    async () => {
      last = await rolloutOf(fleet, app)
      return accept(last)
    },
    patienceMs,
    () => `; the rollout of ${app} stood at ${JSON.stringify(last, null, 2)}`,
  )
}

/** Waits until the newest rollout, which is that of a release, is in a state. */
export const inState = (fleet: Fleet, app: string, release: number, state: string): Promise<RolloutAnswer> =>
  untilRollout(fleet, app, `release ${release} of ${app} is ${state}`, (answer) => {
    const { phases } = answer
    if (phases?.release !== release) return undefined
    if (phases.state === state) return answer
    if (ended.includes(phases.state)) throw new Error(`It is ${phases.state}: ${phases.why}`)
    return undefined
  })

/** A module whose values say which version of it runs; `then` is what a tick does beside that. */
export const versioned = (version: number, then = '') => `
import { emit } from "hypha/host/telemetry";
import { names } from "hypha/host/sensor";
let ticks = 0;
export function tick(nowMs: u64): void {
  if (names().length == 0) return;
  ticks++;
  emit("version", ${version});
  ${then}
}
`

export const ticking = '[module.main]\ntimer = "200ms"\n'

/** Two devices that run release 1 of an app. */
export async function twoNodes(fleet: Fleet, app: string): Promise<void> {
  for (const node of ['pi-1', 'pi-2']) await fleet.addNode(node, { nodeFile: steadySensor })
  await fleet.hypha(['push', '--snap', writeApp(fleet, app, ticking, { main: versioned(1) })])
}

export const push = (fleet: Fleet, app: string, version: number, then = '', manifest = ticking) =>
  fleet.json<{ epoch: number }>([
    'push',
    '--snap',
    '--no-wait',
    writeApp(fleet, app, manifest, { main: versioned(version, then) }),
  ])

/** Waits until the newest value of each of these nodes is of a version. */
export const show = (fleet: Fleet, app: string, version: number, nodes: readonly string[]) =>
  eventually(
    `${nodes.join(' and ')} show version ${version} of ${app}`,
    async () => {
      const values = await ask<{ node: string; value: number }[]>(fleet, '/v1/values', { app, metric: 'version' })
      return nodes.every((node) => values.some((each) => each.node === node && each.value === version)) || undefined
    },
    patienceMs,
  )

/** Joins a device whose way to the broker can be cut, and starts it. */
export async function addBehindProxy(fleet: Fleet, node: string, nodeFile = steadySensor): Promise<CutProxy> {
  const proxy = await CutProxy.to(fleet.mqttPort)
  await fleet.joinNode(node, { nodeFile })
  const home = fleet.agentHome(node)
  saveIdentity(home, { ...loadIdentity(home), brokerPort: proxy.port })
  await fleet.startAgent(node)
  return proxy
}

/** Waits until a node is at this with the release that it is on its way to. */
export const nodeAt = (fleet: Fleet, app: string, node: string, status: string): Promise<RolloutAnswer> =>
  untilRollout(fleet, app, `${node} is ${status} with ${app}`, (answer) =>
    answer.nodes.some((each) => each.node === node && each.status === status) ? answer : undefined,
  )

/** Waits until all these nodes are connected: what is pushed before that goes on without them. */
export const areOnline = (fleet: Fleet, app: string, nodes: readonly string[]): Promise<RolloutAnswer> =>
  untilRollout(fleet, app, `${nodes.join(' and ')} are online`, (answer) =>
    nodes.every((node) => answer.nodes.some((each) => each.node === node && each.online)) ? answer : undefined,
  )

/** Ends an agent as a power cut of its process does, and starts it again. */
export async function killAndStart(fleet: Fleet, node: string): Promise<void> {
  await fleet.agents.get(node)!.end('SIGKILL')
  await fleet.startAgent(node)
}

/** What a node has signed of a flip. */
export interface SignedFlip {
  readonly node: string
  readonly to: { readonly epoch: number }
  readonly instantMs: number
  readonly flippedMs: number
  readonly pauseMs: number | null
  readonly inputs: {
    readonly carried: number
    readonly after: number
    readonly lost: number
    readonly doubled: number
  } | null
  readonly late: boolean
}

/** Waits for the receipts of an epoch of these nodes, in their order; none of them may have lost anything. */
export async function receiptsOf(
  fleet: Fleet,
  app: string,
  epoch: number,
  nodes: readonly string[],
): Promise<SignedFlip[]> {
  const all = await eventually(
    `receipts of ${nodes.join(' and ')} for epoch ${epoch} of ${app}`,
    async () => {
      const found = await ask<SignedFlip[]>(fleet, `/v1/apps/${app}/receipts`, { epoch: `${epoch}` })
      return nodes.every((node) => found.some((each) => each.node === node)) ? found : undefined
    },
    patienceMs,
  )
  for (const { node, inputs } of all) {
    if (inputs !== null && inputs.lost + inputs.doubled > 0) throw new Error(`${node}: ${JSON.stringify(inputs)}`)
  }
  return nodes.map((node) => all.find((each) => each.node === node)!)
}

/** Counts its ticks in its state, from release to release, and tells the count and its version; `restore` and `more` are what it does beside that. */
export const counting = (version: number, { restore = '', tick = '', more = '' } = {}) => `
import { now } from "hypha/host/clock";
import { emit } from "hypha/host/telemetry";
import { names } from "hypha/host/sensor";
import { Result, Unit } from "hypha/types";
let state = new Uint32Array(4);
export function tick(nowMs: u64): void {
  if (names().length == 0) return;
  state[0]++;
  emit("version", ${version});
  emit("count", state[0]);
  ${tick}
}
export function save(): Uint8Array {
  return Uint8Array.wrap(state.buffer.slice(0));
}
export function restore(from: string, saved: Uint8Array): Result<Unit, string> {
  for (let i = 0; i < 4; i++) state[i] = load<u32>(saved.dataStart + 4 * i);
  ${restore}
  return new Result<Unit, string>(true, 0, "");
}
${more}
export const unused = now;
`
