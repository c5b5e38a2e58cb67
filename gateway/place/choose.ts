import type { FleetNode, Reason } from '../plan.ts'
import { distance, distanceFromSite } from './distance.ts'
import { isDevice } from './fit.ts'
import type { Ledger } from './ledger.ts'
import { compare, type LinkGraph } from './links.ts'
import type { ScopeDecision } from './scope.ts'
import type { Unit } from './units.ts'

/** Everything that a choice depends on; the last three grow while units are placed one after another. */
export interface Scene {
  readonly graph: LinkGraph
  readonly scopes: ReadonlyMap<string, ScopeDecision>
  /** Sorted by id. */
  readonly fleet: readonly FleetNode[]
  readonly nodes: ReadonlyMap<string, FleetNode>
  /** Those that no device is, sorted by id. */
  readonly upper: readonly FleetNode[]
  /** By module and node, why not, whatever else is placed. */
  readonly refusals: ReadonlyMap<string, ReadonlyMap<string, readonly Reason[]>>
  /** Node of each instance in the plan that runs now, by `module@home`. */
  readonly previous: ReadonlyMap<string, string>
  readonly ledger: Ledger
  /** By home. */
  readonly placed: Map<string | null, Placed[]>
  /** By module and node, why not beside what was placed before. */
  readonly crowded: Map<string, Map<string, readonly Reason[]>>
}

export interface Placed {
  readonly unit: Unit
  readonly node: FleetNode
  readonly cost: number
  readonly why: readonly string[]
}

export interface Choice {
  readonly node: FleetNode | null
  readonly cost: number
  readonly why: readonly string[]
  /** By node and module, why not there. */
  readonly refused: ReadonlyMap<string, ReadonlyMap<string, readonly Reason[]>>
}

interface Candidate {
  readonly node: FleetNode
  readonly cost: number
  readonly stays: boolean
}

/** The node with the least link cost among those that can hold a unit; at equal cost the one where it is already, then the first by name. */
export function choose(unit: Unit, scene: Scene): Choice {
  // A copied module may have been on many nodes: what the unit is built around was on one.
  const root = unit.modules.find((name) => !unit.copies.has(name))!
  const was = scene.previous.get(`${root}@${unit.home ?? ''}`)
  const refused = new Map<string, ReadonlyMap<string, readonly Reason[]>>()
  const fitting: FleetNode[] = []
  for (const node of reachableFrom(unit, scene)) {
    const reasons = whyNot(unit, node, node.id === was, scene)
    if (reasons.size === 0) fitting.push(node)
    else refused.set(node.id, reasons)
  }
  const candidates = withoutDevices(unit, fitting).map(
    (node): Candidate => ({ node, cost: costOf(unit, node, scene), stays: node.id === was }),
  )
  candidates.sort((a, b) => a.cost - b.cost || Number(b.stays) - Number(a.stays) || compare(a.node.id, b.node.id))
  const [best] = candidates
  if (best === undefined) return { node: null, cost: 0, why: [], refused }
  return { node: best.node, cost: best.cost, why: explain(unit, best, candidates, refused), refused }
}

/** What belongs to a device runs there, or on a tier above it; never on another device, but for the one that a microcontroller is attached to. */
function reachableFrom(unit: Unit, { fleet, nodes, upper }: Scene): readonly FleetNode[] {
  if (unit.home === null) return fleet
  const home = nodes.get(unit.home)!
  const parent = home.parent === null ? undefined : nodes.get(home.parent)
  return [home, ...(parent !== undefined && isDevice(parent) ? [parent] : []), ...upper]
}

/** What is shared takes nothing from devices while another node can hold it. */
function withoutDevices(unit: Unit, fitting: readonly FleetNode[]): readonly FleetNode[] {
  const others = unit.home === null ? fitting.filter((node) => !isDevice(node)) : []
  return others.length > 0 ? others : fitting
}

function whyNot(unit: Unit, node: FleetNode, stays: boolean, scene: Scene): Map<string, Reason[]> {
  const found = new Map<string, Reason[]>()
  for (const name of unit.modules) {
    const reasons = scene.refusals.get(name)!.get(node.id)!
    if (reasons.length > 0) found.set(name, [...reasons])
  }
  if (found.size > 0) return found
  for (const [name, reasons] of scene.ledger.missing(unit, node)) {
    found.set(name, reasons)
    scene.crowded.set(name, (scene.crowded.get(name) ?? new Map<string, readonly Reason[]>()).set(node.id, reasons))
  }
  // A device comes back to what is its own; what is placed anew goes where somebody answers.
  if (!node.online && !stays && node.id !== unit.home) {
    const text = `${node.id} is offline, and nothing new is placed there until it is back`
    for (const name of unit.modules) found.set(name, [...(found.get(name) ?? []), { code: 'node-offline', text }])
  }
  return found
}

/** The sum of the distances from a node to the unit's home or site, and to each instance that it exchanges messages with. */
function costOf(unit: Unit, node: FleetNode, scene: Scene): number {
  let cost = unit.home === null ? distanceFromSite(node) : distance(scene.nodes.get(unit.home)!, node)
  const peers = peersOf(unit, scene.graph)
  for (const { unit: other, node: at } of neighbours(unit, scene)) {
    if (other.modules.some((name) => peers.has(name))) cost += distance(at, node)
  }
  return cost
}

/** A message whose publisher has a home goes only to instances of the same home or of none. */
function neighbours({ home }: Unit, { placed }: Scene): Iterable<Placed> {
  if (home === null) return [...placed.values()].flat()
  return [...(placed.get(home) ?? []), ...(placed.get(null) ?? [])]
}

function peersOf(unit: Unit, { modules }: LinkGraph): ReadonlySet<string> {
  const peers = new Set(unit.modules.flatMap((name) => modules.get(name)!.publishers))
  for (const [name, { publishers }] of modules)
    if (publishers.some((other) => unit.modules.includes(other))) peers.add(name)
  for (const name of unit.modules) peers.delete(name)
  return peers
}

function explain(unit: Unit, best: Candidate, candidates: readonly Candidate[], refused: Choice['refused']): string[] {
  const { node, cost } = best
  const why: string[] = []
  if (unit.home === node.id) why.push(`${node.id} is its home and provides all that it imports`)
  else if (unit.home !== null) why.push(`its home ${unit.home} can't hold it: ${sentence(refused.get(unit.home))}`)
  if (unit.home !== node.id) why.push(...explainCost(best, candidates))
  if (best.stays && candidates.some((other) => other !== best && other.cost === cost))
    why.push(`it stays on ${node.id}, where it was`)
  if (!node.online && unit.home !== node.id) why.push(`${node.id} is offline now; it stays there, where it was`)
  return why
}

function explainCost(best: Candidate, candidates: readonly Candidate[]): string[] {
  const [, next] = candidates
  if (next === undefined) return [`${best.node.id} is the only node that can hold it`]
  const rest = candidates.length > 2 ? ` and more on ${candidates.length - 2} others` : ''
  const compared = next.cost === best.cost ? `as on ${next.node.id}` : `on ${next.node.id} ${next.cost}${rest}`
  return [
    `${best.node.id} has the shortest links of ${candidates.length} nodes that can hold it: they cost ${best.cost}, ${compared}`,
  ]
}

function sentence(byModule: ReadonlyMap<string, readonly Reason[]> | undefined): string {
  if (byModule === undefined) return 'it is not in the fleet'
  return [...byModule]
    .map(([module, reasons]) => `${module} ${reasons.map(({ text }) => text).join(', and ')}`)
    .join('; ')
}
