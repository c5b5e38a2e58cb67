import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { agentProgram, type CommandResult, RunningProgram, runProgram } from '../../examples/demo/processes.ts'
import { ApiClient } from '../../gateway/admin/cli/client.ts'
import { eventually, type Fleet } from '../support/fleet.ts'
import { ask, Stranger, writeApp } from './support.ts'

// What the scenarios of a node's life share: an app that counts, listens and has a secret, copies of a card, and clocks that are wrong.

/** Counts its ticks across restarts of its node, tells how long its secret is, and what it was sent. */
const meter = `
import { get } from "hypha/host/config";
import { get as load, set as store } from "hypha/host/kv";
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
export function tick(nowMs: u64): void {
  if (names().length == 0) return;
  const kept = load("ticks");
  let ticks: u32 = 1;
  if (kept !== null) ticks = <u32>parseInt(String.UTF8.decode(kept.buffer)) + 1;
  store("ticks", Uint8Array.wrap(String.UTF8.encode(ticks.toString())));
  emit("ticks", <f64>ticks);
  const secret = get("secret");
  emit("secret", secret === null ? -1.0 : <f64>secret.length);
}
export function deliver(topic: string, payload: Uint8Array): void {
  emit("heard", parseFloat(String.UTF8.decode(payload.buffer)));
}
`

export const pushMeter = (fleet: Fleet): Promise<string> =>
  fleet.hypha([
    'push',
    '--no-wait',
    writeApp(fleet, 'meter', '[module.meter]\ntimer = "200ms"\nsubscribe = ["say"]\n', { meter }),
  ])

const api = (fleet: Fleet) => new ApiClient({ kind: 'socket', path: join(fleet.folder, 'hypha/gateway/api.sock') })

export const setSecret = (fleet: Fleet, value: string): Promise<unknown> =>
  api(fleet).request('PUT', '/v1/apps/meter/config/secret', { json: { value, secret: true } })

export interface NodeLine {
  id: string
  online: boolean
  zone: string | null
  labels: string[]
  revoked: { at: number; reason: string | null } | null
  clonedAt: number | null
  directive: { held: number; wanted: number }
  certificate: { fingerprint: string; expiresAt: number }
}

export const nodeOf = (fleet: Fleet, node: string): Promise<NodeLine> => ask<NodeLine>(fleet, `/v1/nodes/${node}`)

/** Waits until what is known of a node is as it should be. */
export const untilNode = (
  fleet: Fleet,
  node: string,
  what: string,
  accept: (node: NodeLine) => boolean,
): Promise<NodeLine> =>
  eventually(`${node} to be ${what}`, async () => {
    const found = await nodeOf(fleet, node)
    return accept(found) ? found : undefined
  })

/** The newest value of a metric of the meter at home on a node. */
export const newest = (
  fleet: Fleet,
  metric: string,
  home: string,
): Promise<{ value: number; at: number } | undefined> =>
  ask<{ value: number; at: number; home: string }[]>(fleet, '/v1/values', { app: 'meter', metric }).then((values) =>
    values.find((value) => value.home === home),
  )

export const untilValue = (
  fleet: Fleet,
  metric: string,
  home: string,
  accept: (value: number) => boolean,
): Promise<number> =>
  eventually(`${metric} of ${home}`, async () => {
    const found = await newest(fleet, metric, home)
    return found !== undefined && accept(found.value) ? found.value : undefined
  })

/** Publishes on the meter's topic, as a client of the world. */
export const say = (fleet: Fleet, number: number): Promise<void> => sayTo(fleet, 'meter', number)

/** The same to an app that subscribes to `say`; one app of a fleet only. */
export async function sayTo(fleet: Fleet, app: string, number: number): Promise<void> {
  const path = (name: string) => join(fleet.folder, name)
  if ((await ask<{ name: string }[]>(fleet, '/v1/clients')).length === 0) {
    await fleet.hypha(['client', 'create', 'sayer', '--publish', `m/${app}/#`, '--out', fleet.folder])
  }
  const tls = ['--cafile', path('ca.pem'), '--cert', path('sayer.pem'), '--key', path('sayer.key')]
  const where = ['-h', '127.0.0.1', '-p', `${fleet.mqttPort}`, '-i', 'sayer', '-V', 'mqttv311', '-q', '1']
  const sayer = new Stranger('mosquitto_pub', [
    ...where,
    ...tls,
    '-t',
    `hypha/${fleet.name}/m/${app}/say`,
    '-m',
    `${number}`,
  ])
  if ((await sayer.ended) !== 0) throw new Error(sayer.err)
}

/** Joins with a URL; gives what the command said. */
export const joinWith = (home: string, url: string, ...more: string[]): Promise<CommandResult> =>
  runProgram(agentProgram, ['join', url, '--home', home, ...more], {})

/** Everything that a card holds, as it is now. */
export function copyCard(fleet: Fleet, from: string, to: string): void {
  // A socket of a helper can't be copied, and belongs to no card.
  cpSync(fleet.agentHome(from), fleet.agentHome(to), { recursive: true, filter: (path) => !path.endsWith('/run') })
}

/** What makes a process see another time than this machine's: `offset` as faketime reads it, such as "+800d" or "-1h". Timers go on as they do. */
export const clockOff = (offset: string): NodeJS.ProcessEnv => ({
  LD_PRELOAD: fakeTimeLibrary,
  FAKETIME: offset,
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
  DONT_FAKE_MONOTONIC: '1',
})

const fakeTimeLibrary = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketime.so.1`

/** Runs a node's agent by another clock. */
export function spawnAgentAt(fleet: Fleet, node: string, offset: string): RunningProgram {
  const agent = new RunningProgram(agentProgram, ['run', '--home', fleet.agentHome(node)], clockOff(offset))
  fleet.agents.set(node, agent)
  return agent
}
