import type { Release, ReleaseModule } from '@hypha/core/trust/release.ts'
import { type LinkedModule, linkModules } from '@hypha/core/wasm/linking.ts'
import { bareName } from '@hypha/core/wasm/versions.ts'
import { filtersMeet } from '@hypha/core/wire/topics.ts'

/** Interfaces that reach a device's own hardware: who imports one belongs to a device. */
const deviceBound: readonly string[] = ['hypha:host/sensor', 'hypha:host/actuator']

export const isDeviceBound = (interfaceName: string): boolean => deviceBound.includes(bareName(interfaceName))

/** How the modules of a release hang together; all lists are sorted. */
export interface LinkGraph {
  readonly modules: ReadonlyMap<string, ModuleLinks>
}

export interface ModuleLinks extends LinkedModule {
  readonly module: ReleaseModule
  /** Modules that call this one through an import. */
  readonly importers: readonly string[]
  /** Modules whose messages this one may be given, itself not among them. */
  readonly publishers: readonly string[]
}

/** It belongs to a device, and runs there or nowhere. */
export const isBound = (links: ModuleLinks): boolean => links.host.some(isDeviceBound)

/** Resolves every import of a release, to the host or to a module of the same app, and every subscription to those who may publish for it. */
export function linkGraph(release: Release): LinkGraph {
  const modules = [...release.modules].sort((a, b) => compare(a.name, b.name))
  const linked = linkModules(modules)
  const importers = new Map<string, string[]>()
  for (const [caller, { calls }] of linked) {
    for (const callee of new Set(calls.map((call) => call.callee)))
      importers.set(callee, [...(importers.get(callee) ?? []), caller])
  }
  const graph = new Map<string, ModuleLinks>()
  for (const module of modules) {
    const publishers = modules.filter((other) => other.name !== module.name && feeds(other, module))
    graph.set(module.name, {
      ...linked.get(module.name)!,
      module,
      importers: importers.get(module.name) ?? [],
      publishers: names(publishers),
    })
  }
  return { modules: graph }
}

const names = (modules: readonly ReleaseModule[]): string[] => modules.map(({ name }) => name)

export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function feeds(publisher: ReleaseModule, subscriber: ReleaseModule): boolean {
  return subscriber.spec.subscribe.some((wanted) => publisher.spec.publish.some((given) => filtersMeet(wanted, given)))
}
