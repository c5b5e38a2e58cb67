import type { FleetNode, PlaceInput, PlannedLink } from '../plan.ts'
import { Bars } from './bars.ts'
import { isDevice } from './fit.ts'
import { type Flows, flowsOf } from './flows.ts'
import { type Homes, homesOf } from './homes.ts'
import { type Kind, Kinds } from './kinds.ts'
import { Ledger } from './ledger.ts'
import { compare, type LinkGraph, linkGraph, type ModuleLinks } from './links.ts'
import { Positions } from './positions.ts'
import { decideScopes, type ScopeDecision } from './scope.ts'
import { spotKey } from './spot-key.ts'

/** Everything that a choice depends on; those after `previous` grow while instances are placed one after another. */
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
  /** By module: its links sorted, those to the host as they are, the same for each of its instances; those to other modules by the callee's name. */
  readonly links: ReadonlyMap<string, readonly (PlannedLink | ModuleLinks['calls'][number])[]>
  /** Node of each instance in the plan that runs now, by `module@home`. */
  readonly previous: ReadonlyMap<string, string>
  readonly bars: Bars
  readonly ledger: Ledger
  readonly positions: Positions
  /** By home, then by module. */
  readonly spots: Map<string | null, Map<string, Spot>>
  /** By module: nodes that could hold it, and are full of what was placed there before. */
  readonly full: Map<string, Set<FleetNode>>
  /** For devices that are alike: where their instances could be, cheapest first. */
  readonly ranks: Map<string, { readonly home: FleetNode; readonly ranked: readonly RankedNode[] }>
  /** By module. */
  readonly estimates: Map<string, Estimate>
}

/** How far it is to the nearest node that can hold a module: by the index of the kind from which. */
export interface Estimate {
  readonly from: { readonly kinds: ReadonlySet<Kind>; readonly points: readonly FleetNode[] }
  readonly steps: (number | undefined)[]
}

/** A node that could hold an instance. */
export interface RankedNode {
  readonly node: FleetNode
  readonly cost: number
  /** The instance is there already. */
  readonly stays: boolean
}

/** What was placed: an instance, and copied modules beside it. */
export interface Spot {
  readonly module: string
  readonly home: string | null
  readonly node: FleetNode
  readonly cost: number
  /** Sentences without their full stops. */
  readonly why: readonly string[]
  /** As in the plan. */
  readonly despite?: string
  /** Callers first. */
  readonly beside: readonly string[]
}

export function makeScene({ release, fleet, previous, traffic = [], barred = [] }: PlaceInput): Scene {
  const graph = linkGraph(release)
  const scopes = decideScopes(graph)
  const nodes = [...fleet].sort((a, b) => compare(a.id, b.id))
  const kinds = new Kinds(graph, nodes)
  const homes = homesOf(graph, scopes, kinds)
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Set(nodes.flatMap(({ parent }) => (parent === null ? [] : [parent])))
  return {
    graph,
    scopes,
    copies: new Map([...graph.modules.keys()].map((name) => [name, copiesOf(name, graph, scopes)])),
    fleet: nodes,
    nodes: byId,
    upper: nodes.filter((node) => !isDevice(node)),
    kinds,
    homes,
    flows: flowsOf(graph, scopes, traffic, (module) => homes.count.get(module) ?? 1),
    links: new Map([...graph.modules].map(([name, links]) => [name, sortedLinks(links)])),
    previous: new Map((previous?.instances ?? []).map(({ module, home, node }) => [spotKey(module, home), node])),
    bars: new Bars(barred, byId),
    ledger: new Ledger(graph, kinds),
    positions: new Positions(parents),
    spots: new Map(),
    full: new Map(),
    ranks: new Map(),
    estimates: new Map(),
  }
}

function sortedLinks({ host, wasi, calls }: ModuleLinks): (PlannedLink | ModuleLinks['calls'][number])[] {
  const own = [...host, ...wasi].map((wanted): PlannedLink => ({ interface: wanted, provider: { kind: 'host' } }))
  return [...own, ...calls].sort((a, b) => compare(a.interface, b.interface))
}

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
