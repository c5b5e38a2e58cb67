import { serves } from '@hypha/core/wasm/versions.ts'
import type { FleetNode } from '../plan.ts'
import { isDevice, labelsOf } from './fit.ts'
import type { Kinds } from './kinds.ts'
import { compare, isBound, isDeviceBound, type LinkGraph, type ModuleLinks } from './links.ts'
import type { ScopeDecision } from './scope.ts'

/** Which devices are homes of which device-scoped modules. */
export interface Homes {
  /** By the index of a kind: the modules that its nodes are homes of, sorted. Copied modules are not among them. */
  readonly ofKind: readonly (readonly string[])[]
  /** How many homes each device-scoped module has. */
  readonly count: ReadonlyMap<string, number>
}

type Scopes = ReadonlyMap<string, ScopeDecision>

/**
 * The devices that each device-scoped module has an instance for: those that provide what it binds to, or those of its callers. What a device is a home of depends on what it is, so devices of one kind are homes
 * of the same.
 */
export function homesOf(graph: LinkGraph, scopes: Scopes, kinds: Kinds): Homes {
  const bound = [...graph.modules.values()].filter(isBound)
  const known = new Map<string, string[]>()
  const ofKind = kinds.all.map(({ sample }) => {
    const own = isDevice(sample) ? bound.filter((links) => isHome(links, sample)).map(({ module }) => module.name) : []
    const key = own.join(' ')
    const all = known.get(key) ?? withCallees(own, graph, scopes)
    known.set(key, all)
    return all
  })
  const count = new Map<string, number>()
  for (const [name, { scope }] of scopes) if (scope === 'device') count.set(name, 0)
  for (const { index, nodes } of kinds.all)
    for (const name of ofKind[index]!) count.set(name, count.get(name)! + nodes.length)
  const copied = (name: string) => scopes.get(name)!.copied
  const own = new Map([...known.values()].map((names) => [names, names.filter((name) => !copied(name))]))
  return { ofKind: ofKind.map((names) => own.get(names)!), count }
}

/** Modules that are bound to a device, and those that belong to it because these call them. */
function withCallees(bound: readonly string[], { modules }: LinkGraph, scopes: Scopes): string[] {
  const own = new Set(bound)
  for (let before = -1; before !== own.size; ) {
    before = own.size
    for (const [name, links] of modules) {
      if (own.has(name) || isBound(links) || scopes.get(name)!.scope !== 'device') continue
      if ([...links.importers, ...links.publishers].some((caller) => own.has(caller))) own.add(name)
    }
  }
  return [...own].sort(compare)
}

/** A device that lacks the interface or a required label is simply no home; that is no fault of the plan. */
function isHome(links: ModuleLinks, node: FleetNode): boolean {
  const { inventory } = node
  if (inventory === null) return false
  const labels = labelsOf(node)
  return (
    links.module.spec.requires.every((label) => labels.has(label)) &&
    links.host
      .filter(isDeviceBound)
      .every((wanted) => inventory.interfaces.some((provided) => serves(provided, wanted)))
  )
}
