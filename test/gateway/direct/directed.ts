import type { Directive, Setting } from '@hypha/core/trust/directive.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { direct } from '../../../gateway/direct/direct.ts'
import type { DirectInput, DirectNode, DirectRollout } from '../../../gateway/direct/input.ts'
import type { FleetNode } from '../../../gateway/plan.ts'
import { demoFleet, greenhouse, planOf } from '../place/fleets.ts'

const day = 86_400_000

interface Choices {
  releases?: Release[]
  /** Where the one app's release is on the way to another. */
  rollout?: Omit<DirectRollout, 'next'> & { readonly release: Release; readonly fleet: FleetNode[] }
  fleet?: FleetNode[]
  removed?: string[]
  last?: readonly Directive[]
  epochs?: ReadonlyMap<string, number>
  settings?: Record<string, Setting>
  now?: number
  /** Of each node: apps whose section stays as it is. */
  carried?: Record<string, string[]>
  /** Epochs that nodes refuse for a patch that came to nothing. */
  refused?: Record<string, Record<string, number>>
  /** How contents travel now. */
  encoding?: 'identity' | 'patch'
  /** How often each release was signed. */
  signatures?: number
}

/** Directs a fleet as the gateway would, with what it keeps between two times given by hand. */
export function directed(choices: Choices = {}) {
  const {
    releases = [greenhouse()],
    fleet = demoFleet(),
    removed = [],
    last = [],
    epochs,
    settings = {},
    now = 1_000,
    rollout,
  } = choices
  const partOf = (wanted: Release, on: FleetNode[]) => ({
    plan: planOf(wanted, on),
    release: wanted,
    digest: new Uint8Array(32).fill(wanted.number),
    envelope: { digest: new Uint8Array(32).fill(200 + wanted.number + (choices.signatures ?? 0)), size: 900 },
  })
  const staying = fleet.filter(({ id }) => !removed.includes(id))
  const input: DirectInput = {
    fleet: 'demo',
    nodes: fleet.map(({ id }): DirectNode => {
      const carried = new Set(choices.carried?.[id])
      const before = last.find((made) => made.node === id) ?? null
      const refusedPatches = new Map(Object.entries(choices.refused?.[id] ?? {}))
      return { id, removed: removed.includes(id), last: before, carried, refusedPatches }
    }),
    apps: releases.map((wanted) => ({
      ...partOf(wanted, staying),
      epoch: epochs?.get(wanted.app) ?? 0,
      ...(rollout === undefined ? {} : { rollout: { ...rollout, next: partOf(rollout.release, rollout.fleet) } }),
    })),
    settings: () => settings,
    transfer: (_node, { digest, size }) => {
      const { encoding = 'identity' } = choices
      return { encoding, base: encoding === 'patch' ? new Uint8Array(32) : null, via: null, digest, size }
    },
    now,
    lifetimeMs: 30 * day,
  }
  const result = direct(input)
  const all = new Map([...last, ...result.directives].map((made) => [made.node, made]))
  return { ...result, made: result.directives.map((made) => made.node), all: [...all.values()] }
}
