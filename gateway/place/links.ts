import type { Release, ReleaseModule } from '@hypha/core/trust/release.ts'
import { bareName, serves } from '@hypha/core/wasm/versions.ts'
import { decideWasi } from '@hypha/core/wasm/wasi.ts'
import { filtersMeet } from '@hypha/core/wire/topics.ts'
import type { Reason } from '../plan.ts'

/** Interfaces that reach a device's own hardware: who imports one belongs to a device. */
const deviceBound: readonly string[] = ['hypha:host/sensor', 'hypha:host/actuator']

export const isDeviceBound = (interfaceName: string): boolean => deviceBound.includes(bareName(interfaceName))

/** How the modules of a release hang together; all lists are sorted. */
export interface LinkGraph {
  readonly modules: ReadonlyMap<string, ModuleLinks>
}

export interface ModuleLinks {
  readonly module: ReleaseModule
  /** Host interfaces that the node itself must provide. */
  readonly host: readonly string[]
  /** WASI interfaces: every node that runs the module satisfies them. */
  readonly wasi: readonly string[]
  /** Imports that another module of the app exports. */
  readonly calls: readonly { readonly interface: string; readonly callee: string }[]
  /** Modules that call this one through an import. */
  readonly importers: readonly string[]
  /** Modules whose messages this one may be given, itself not among them. */
  readonly publishers: readonly string[]
  /** What only the author can mend. */
  readonly faults: readonly Reason[]
}

/** Resolves every import of a release, to the host or to a module of the same app. */
export function linkGraph(release: Release): LinkGraph {
  const modules = [...release.modules].sort((a, b) => compare(a.name, b.name))
  const drafts = new Map(modules.map((module) => [module.name, resolveImports(module, modules)]))
  const graph = new Map<string, ModuleLinks>()
  for (const [name, draft] of drafts) {
    const importers = modules.filter((other) => drafts.get(other.name)!.calls.some((call) => call.callee === name))
    const publishers = modules.filter((other) => other.name !== name && feeds(other, draft.module))
    graph.set(name, { ...draft, importers: names(importers), publishers: names(publishers) })
  }
  return { modules: withCycles(graph) }
}

const names = (modules: readonly ReleaseModule[]): string[] => modules.map(({ name }) => name)

export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function feeds(publisher: ReleaseModule, subscriber: ReleaseModule): boolean {
  return subscriber.spec.subscribe.some((wanted) => publisher.spec.publish.some((given) => filtersMeet(wanted, given)))
}

type Draft = Omit<ModuleLinks, 'importers' | 'publishers'>

function resolveImports(module: ReleaseModule, all: readonly ReleaseModule[]): Draft {
  const host: string[] = []
  const wasi: string[] = []
  const calls: { interface: string; callee: string }[] = []
  const faults: Reason[] = []
  for (const { name } of module.world.imports) {
    if (name.startsWith('hypha:host/')) host.push(name)
    else if (decideWasi(name)?.satisfied) wasi.push(name)
    else {
      const exporters = all.filter((other) => other.world.exports.some((exported) => serves(exported.name, name)))
      if (exporters.length === 1) calls.push({ interface: name, callee: exporters[0]!.name })
      else faults.push(unresolved(module.name, name, exporters, all))
    }
  }
  return { module, host, wasi, calls, faults }
}

function unresolved(
  module: string,
  wanted: string,
  exporters: readonly ReleaseModule[],
  all: readonly ReleaseModule[],
): Reason {
  if (exporters.length > 1) {
    const text = `${module} imports ${wanted}, which ${names(exporters).join(' and ')} both export`
    return { code: 'import-ambiguous', text }
  }
  const near = all.flatMap((other) =>
    other.world.exports
      .filter(({ name }) => bareName(name) === bareName(wanted))
      .map(({ name }) => `${other.name} exports ${name}`),
  )
  const hint = near.length === 0 ? 'which neither the host nor a module of the app provides' : `but ${near.join(', ')}`
  return { code: 'import-unresolved', text: `${module} imports ${wanted}, ${hint}` }
}

/** Adds `cyclic-link` to the modules of each cycle, with the cycle printed. */
function withCycles(graph: ReadonlyMap<string, ModuleLinks>): ReadonlyMap<string, ModuleLinks> {
  const result = new Map(graph)
  for (const [name, links] of graph) {
    const cycle = findCycle(graph, name)
    if (cycle === null) continue
    const text = `its links go round in a circle: ${cycle.join(' → ')}`
    result.set(name, { ...links, faults: [...links.faults, { code: 'cyclic-link', text }] })
  }
  return result
}

/** The shortest way from a module along its calls back to itself; null where there is none. */
function findCycle(graph: ReadonlyMap<string, ModuleLinks>, start: string): string[] | null {
  const cameFrom = new Map<string, string>()
  const queue = [start]
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const { callee } of graph.get(at)!.calls) {
      if (callee === start) {
        const path = [at, start]
        while (path[0] !== start) path.unshift(cameFrom.get(path[0]!)!)
        return path
      }
      if (cameFrom.has(callee)) continue
      cameFrom.set(callee, at)
      queue.push(callee)
    }
  }
  return null
}
