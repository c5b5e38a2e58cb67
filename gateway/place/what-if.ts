import type { Release } from '@hypha/core/trust/release.ts'
import { bareName } from '@hypha/core/wasm/versions.ts'
import type { ExpectedTraffic, FleetNode, Plan } from '../plan.ts'
import { weightKey, weightOf } from './flows.ts'
import { compare } from './links.ts'

/** A fleet as it isn't. */
export interface FleetChange {
  /** Nodes that it would not have. */
  readonly without: readonly string[]
  /** Host interfaces that nodes would provide besides: `http`, or by the whole name. */
  readonly interfaces: readonly { readonly node: string; readonly interface: string }[]
  /** Memory that nodes would give to modules, in bytes. */
  readonly memory: readonly { readonly node: string; readonly bytes: number }[]
}

/** The nodes that a change names and the fleet doesn't have. */
export function unknownNodes(fleet: readonly FleetNode[], { without, interfaces, memory }: FleetChange): string[] {
  const known = new Set(fleet.map(({ id }) => id))
  const named = [...without, ...interfaces.map(({ node }) => node), ...memory.map(({ node }) => node)]
  return [...new Set(named)].filter((node) => !known.has(node))
}

export function changedFleet(fleet: readonly FleetNode[], change: FleetChange, release: Release): FleetNode[] {
  const memory = new Map(change.memory.map(({ node, bytes }) => [node, bytes]))
  const gone = new Set(change.without)
  return fleet
    .filter(({ id }) => !gone.has(id))
    .map((node) => {
      const { inventory, id } = node
      if (inventory === null) return node
      const more = change.interfaces.filter((each) => each.node === id).map((each) => fullName(each.interface, release))
      const interfaces = [...new Set([...inventory.interfaces, ...more])]
      return { ...node, inventory: { ...inventory, interfaces, memoryBytes: memory.get(id) ?? inventory.memoryBytes } }
    })
}

/** An interface that is named in short is of the version that the app's modules import. */
function fullName(name: string, { modules }: Release): string {
  if (name.includes('@')) return name
  const bare = name.includes(':') ? name : `hypha:host/${name}`
  const imported = modules.flatMap(({ world }) => world.imports.map((each) => each.name))
  return imported.find((each) => bareName(each) === bare) ?? `${bare}@0.1.0`
}

/** What would be elsewhere. */
export interface PlanChange {
  readonly module: string
  readonly home: string | null
  /** Nodes: several for a module that is copied beside its callers, none for one without a place. */
  readonly from: readonly string[]
  readonly to: readonly string[]
  /** Sentences without their full stops: of the place that it would have, or of why it would have none. */
  readonly why: readonly string[]
}

/** How a plan differs from another, sorted by module and home. */
export function planChanges(before: Plan, after: Plan): PlanChange[] {
  const was = byInstance(before)
  const is = byInstance(after)
  const reasons = new Map(after.unplaced.map((each) => [keyOf(each), each.reasons.map(({ text }) => text)]))
  const changes: PlanChange[] = []
  for (const key of new Set([...was.keys(), ...is.keys()])) {
    const [old, now] = [was.get(key) ?? [], is.get(key) ?? []]
    const [from, to] = [old.map(({ node }) => node), now.map(({ node }) => node)]
    if (from.join(' ') === to.join(' ')) continue
    const { module, home } = (now[0] ?? old[0])!
    const gone = home === null ? 'it is no more' : `${home} is no home of it`
    changes.push({ module, home, from, to, why: now[0]?.why ?? reasons.get(key) ?? [gone] })
  }
  return changes.sort((a, b) => compare(a.module, b.module) || compare(a.home ?? '', b.home ?? ''))
}

const keyOf = ({ module, home }: { module: string; home: string | null }) => `${module}@${home ?? ''}`

const byInstance = ({ instances }: Plan) => Map.groupBy(instances, keyOf)

/** Steps of distance times what flows a second, over all instances. */
export const costOf = ({ instances }: Plan): number => instances.reduce((sum, { cost }) => sum + cost, 0)

/** What the links of a plan cost if they carry what `traffic` says: only those between modules, not messages. */
export function linkCostOf({ instances, traffic: assumed }: Plan, traffic: readonly ExpectedTraffic[]): number {
  const weights = (all: readonly ExpectedTraffic[]) =>
    new Map(all.map((each) => [weightKey(each.caller, each.interface), weightOf(each)]))
  const [was, is] = [weights(assumed), weights(traffic)]
  let sum = 0
  for (const { module, links } of instances) {
    for (const { interface: name, cost = 0 } of links) {
      const key = weightKey(module, name)
      if (cost > 0) sum += (cost / was.get(key)!) * (is.get(key) ?? 0)
    }
  }
  return sum
}
