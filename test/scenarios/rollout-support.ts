import { eventually, type Fleet } from '../support/fleet.ts'
import { ask, steadySensor, writeApp } from './support.ts'

/** How far a rollout is, as the API tells it. */
export interface RolloutAnswer {
  readonly release: number
  readonly done: boolean
  readonly phases: { readonly release: number; readonly state: string; readonly why: string | null } | null
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

/** Waits until the newest rollout, which is that of a release, is in a state. */
export const inState = (fleet: Fleet, app: string, release: number, state: string): Promise<RolloutAnswer> =>
  eventually(
    `release ${release} of ${app} is ${state}`,
    async () => {
      const answer = await rolloutOf(fleet, app)
      const { phases } = answer
      if (phases?.release !== release) return undefined
      if (phases.state === state) return answer
      if (ended.includes(phases.state)) throw new Error(`It is ${phases.state}: ${phases.why}`)
      return undefined
    },
    45_000,
  )

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
  eventually(`${nodes.join(' and ')} show version ${version} of ${app}`, async () => {
    const values = await ask<{ node: string; value: number }[]>(fleet, '/v1/values', { app, metric: 'version' })
    return nodes.every((node) => values.some((each) => each.node === node && each.value === version)) || undefined
  })
