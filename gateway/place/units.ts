import { serves } from '@hypha/core/wasm/versions.ts'
import type { FleetNode, Scope } from '../plan.ts'
import { isDevice, labelsOf } from './fit.ts'
import { compare, isDeviceBound, type LinkGraph, type ModuleLinks } from './links.ts'
import type { ScopeDecision } from './scope.ts'

/** Instances that must be on one node, because links between nodes are not served: modules that call each other, and copies beside them. */
export interface Unit {
  readonly home: string | null
  readonly scope: Scope
  /** Sorted. */
  readonly modules: readonly string[]
  /** Callers of each copied module within the unit. */
  readonly copies: ReadonlyMap<string, readonly string[]>
}

export interface Units {
  readonly units: readonly Unit[]
  /** Device-scoped modules for which no device is a home. */
  readonly homeless: readonly string[]
}

type Scopes = ReadonlyMap<string, ScopeDecision>

export function makeUnits(graph: LinkGraph, scopes: Scopes, fleet: readonly FleetNode[]): Units {
  const homes = homesOf(graph, scopes, fleet)
  const units: Unit[] = []
  const homeless: string[] = []
  for (const cluster of clusters(graph, scopes)) {
    const { scope } = scopes.get(cluster[0]!)!
    const copies = copiesBeside(cluster, graph, scopes)
    const modules = [...cluster, ...copies.keys()].sort(compare)
    if (scope !== 'device') {
      units.push({ home: null, scope, modules, copies })
      continue
    }
    const all = new Set(cluster.flatMap((name) => [...(homes.get(name) ?? [])]))
    if (all.size === 0) homeless.push(...cluster)
    for (const home of [...all].sort(compare)) units.push({ home, scope, modules, copies })
  }
  return { units, homeless: homeless.sort(compare) }
}

/** The devices that each device-scoped module has an instance for: those that provide what it binds to, or those of its callers. */
function homesOf(
  graph: LinkGraph,
  scopes: Scopes,
  fleet: readonly FleetNode[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const homes = new Map<string, Set<string>>()
  for (const [name, links] of graph.modules) {
    if (scopes.get(name)!.scope !== 'device') continue
    const bound = links.host.some(isDeviceBound)
    homes.set(name, new Set(bound ? fleet.filter((node) => isHome(links, node)).map(({ id }) => id) : []))
  }
  for (let grew = true; grew; ) {
    grew = false
    for (const [name, own] of homes) {
      const { host, importers, publishers } = graph.modules.get(name)!
      if (host.some(isDeviceBound)) continue
      const before = own.size
      for (const caller of [...importers, ...publishers]) for (const home of homes.get(caller) ?? []) own.add(home)
      if (own.size > before) grew = true
    }
  }
  return homes
}

/** A device that lacks the interface or a required label is simply no home; that is no fault of the plan. */
function isHome(links: ModuleLinks, node: FleetNode): boolean {
  const { inventory } = node
  if (!isDevice(node) || inventory === null) return false
  const labels = labelsOf(node)
  return (
    links.module.spec.requires.every((label) => labels.has(label)) &&
    links.host
      .filter(isDeviceBound)
      .every((wanted) => inventory.interfaces.some((provided) => serves(provided, wanted)))
  )
}

/** Modules of one scope that call each other, directly or through copied ones, together; each sorted, copied modules left out. */
function clusters(graph: LinkGraph, scopes: Scopes): string[][] {
  const parent = new Map<string, string>()
  const find = (name: string): string => {
    const above = parent.get(name)!
    return above === name ? name : find(above)
  }
  const roots = [...graph.modules.keys()].filter((name) => !scopes.get(name)!.copied)
  for (const name of roots) parent.set(name, name)
  for (const name of roots) {
    for (const callee of rootsCalled(name, graph, scopes)) {
      if (scopes.get(callee)!.scope === scopes.get(name)!.scope) parent.set(find(callee), find(name))
    }
  }
  const groups = Map.groupBy(roots, find)
  return [...groups.values()].map((group) => group.sort(compare))
}

/** The modules with instances of their own that a module calls, directly or through copied ones. */
export function rootsCalled(name: string, graph: LinkGraph, scopes: Scopes): string[] {
  const found = new Set<string>()
  const seen = new Set<string>()
  const visit = (at: string) => {
    for (const { callee } of graph.modules.get(at)!.calls) {
      if (!scopes.get(callee)!.copied) found.add(callee)
      else if (!seen.has(callee)) {
        seen.add(callee)
        visit(callee)
      }
    }
  }
  visit(name)
  return [...found].sort(compare)
}

function copiesBeside(cluster: readonly string[], graph: LinkGraph, scopes: Scopes): Map<string, string[]> {
  const copies = new Map<string, string[]>()
  const visit = (caller: string) => {
    for (const { callee } of graph.modules.get(caller)!.calls) {
      if (!scopes.get(callee)!.copied) continue
      const callers = copies.get(callee)
      if (callers === undefined) {
        copies.set(callee, [caller])
        visit(callee)
      } else if (!callers.includes(caller)) callers.push(caller)
    }
  }
  for (const name of cluster) visit(name)
  return copies
}
