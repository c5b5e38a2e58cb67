import type { FleetNode, PlaceInput, PlannedLink, Reason } from '../plan.ts'
import { isDevice } from './fit.ts'
import { type Flows, flowsOf } from './flows.ts'
import { type Homes, homesOf } from './homes.ts'
import { Kinds } from './kinds.ts'
import { Ledger } from './ledger.ts'
import { compare, type LinkGraph, linkGraph, type ModuleLinks } from './links.ts'
import { Positions } from './positions.ts'
import { decideScopes, type ScopeDecision } from './scope.ts'

/** Everything that a choice depends on; the last five grow while instances are placed one after another. */
export interface Scene {
  readonly graph: LinkGraph
  readonly scopes: ReadonlyMap<string, ScopeDecision>
  /** By module: the copied modules that it calls, and those that these call, callers first. */
  readonly copies: ReadonlyMap<string, readonly string[]>
  /** Sorted by id. */
  readonly fleet: readonly FleetNode[]
  readonly nodes: ReadonlyMap<string, FleetNode>
  /** Those that no device is, sorted by id. */
  readonly upper: readonly FleetNode[]
  readonly kinds: Kinds
  readonly homes: Homes
  readonly flows: Flows
  /** By module: links to the host, the same for each of its instances. */
  readonly hostLinks: ReadonlyMap<string, readonly PlannedLink[]>
  /** Node of each instance in the plan that runs now, by `module@home`. */
  readonly previous: ReadonlyMap<string, string>
  readonly ledger: Ledger
  readonly positions: Positions
  /** By home, then by module. */
  readonly spots: Map<string | null, Map<string, Spot>>
  readonly crowded: Crowded
  /** By module and the index of a kind: steps from there to the nearest node that can hold it. */
  readonly estimates: Map<string, (number | undefined)[]>
}

/** What was placed: an instance, and copied modules beside it. */
export interface Spot {
  readonly module: string
  readonly home: string | null
  readonly node: FleetNode
  readonly cost: number
  /** Sentences without their full stops. */
  readonly why: readonly string[]
  /** Callers first. */
  readonly beside: readonly string[]
}

/** By module: nodes that could hold it, and are full of what was placed there before; those together that lack the same. In the sentences a NUL stands for their name. */
export type Crowded = Map<string, Map<string, { readonly nodes: Set<string>; readonly reasons: readonly Reason[] }>>

export function makeScene({ release, fleet, previous, traffic = [] }: PlaceInput): Scene {
  const graph = linkGraph(release)
  const scopes = decideScopes(graph)
  const nodes = [...fleet].sort((a, b) => compare(a.id, b.id))
  const kinds = new Kinds(graph, nodes)
  const homes = homesOf(graph, scopes, kinds)
  const parents = new Set(nodes.flatMap(({ parent }) => (parent === null ? [] : [parent])))
  return {
    graph,
    scopes,
    copies: new Map([...graph.modules.keys()].map((name) => [name, copiesOf(name, graph, scopes)])),
    fleet: nodes,
    nodes: new Map(nodes.map((node) => [node.id, node])),
    upper: nodes.filter((node) => !isDevice(node)),
    kinds,
    homes,
    flows: flowsOf(graph, scopes, traffic, (module) => homes.count.get(module) ?? 1),
    hostLinks: new Map([...graph.modules].map(([name, links]) => [name, hostLinksOf(links)])),
    previous: new Map((previous?.instances ?? []).map(({ module, home, node }) => [spotKey(module, home), node])),
    ledger: new Ledger(graph, kinds),
    positions: new Positions(parents),
    spots: new Map(),
    crowded: new Map(),
    estimates: new Map(),
  }
}

export const spotKey = (module: string, home: string | null): string => `${module}@${home ?? ''}`

const hostLinksOf = ({ host, wasi }: ModuleLinks): PlannedLink[] =>
  [...host, ...wasi].sort(compare).map((wanted) => ({ interface: wanted, provider: { kind: 'host' } }))

function copiesOf(name: string, graph: LinkGraph, scopes: ReadonlyMap<string, ScopeDecision>): string[] {
  const found = new Set<string>()
  const visit = (at: string) => {
    const own = graph.modules.get(at)!.calls.filter(({ callee }) => scopes.get(callee)!.copied && !found.has(callee))
    for (const { callee } of own) found.add(callee)
    for (const { callee } of own) visit(callee)
  }
  visit(name)
  return [...found]
}

/** Writes down where an instance is. */
export function settle(spot: Spot, scene: Scene): void {
  const { module, home, node } = spot
  if (scene.positions.at(module, home) === undefined) scene.positions.set(module, home, node)
  const ofHome = scene.spots.get(home) ?? new Map<string, Spot>()
  scene.spots.set(home, ofHome.set(module, spot))
}
