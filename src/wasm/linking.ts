import { nearest } from '../nearest.ts'
import { whyIncompatible } from './compatible.ts'
import type { InterfaceType, World } from './types.ts'
import { bareName, serves } from './versions.ts'
import { decideWasi } from './wasi.ts'

/** A module as its neighbours see it. */
export interface LinkableModule {
  readonly name: string
  readonly world: World
}

/** What only the author can mend. */
export interface LinkFault {
  readonly code: 'import-unresolved' | 'import-ambiguous' | 'import-incompatible' | 'cyclic-link'
  /** Of the module that imports. */
  readonly module: string
  /** A sentence without its full stop. */
  readonly text: string
  /** Of a circle: its modules from this one on, each once. */
  readonly cycle?: readonly string[]
}

/** Who serves what a module imports; all lists are in the order of its imports. */
export interface LinkedModule {
  /** Host interfaces, which the node itself provides. */
  readonly host: readonly string[]
  /** WASI interfaces: every node that runs the module satisfies them. */
  readonly wasi: readonly string[]
  /** Imports that another module of the app exports. */
  readonly calls: readonly { readonly interface: string; readonly callee: string }[]
  readonly faults: readonly LinkFault[]
}

/**
 * Resolves every import of an app's modules: to the host, to what stands for WASI, or to the one other module that exports the interface in a compatible version (Semantic Versioning 2.0.0) and with the same types.
 * It never throws: what can't be resolved stands among the faults, as does every circle.
 */
export function linkModules(modules: readonly LinkableModule[]): ReadonlyMap<string, LinkedModule> {
  const linked = new Map(modules.map((module) => [module.name, resolveImports(module, modules)]))
  for (const [name, { faults, ...rest }] of linked) {
    const cycle = findCycle(linked, name)
    if (cycle === null) continue
    const text = `its links go round in a circle: ${[...cycle, name].join(' → ')}`
    linked.set(name, { ...rest, faults: [...faults, { code: 'cyclic-link', module: name, text, cycle }] })
  }
  return linked
}

function resolveImports(module: LinkableModule, all: readonly LinkableModule[]): LinkedModule {
  const host: string[] = []
  const wasi: string[] = []
  const calls: { interface: string; callee: string }[] = []
  const faults: LinkFault[] = []
  for (const wanted of module.world.imports) {
    const { name } = wanted
    if (name.startsWith('hypha:host/')) host.push(name)
    else if (decideWasi(name)?.satisfied) wasi.push(name)
    else {
      const exporters = exportersOf(name, all)
      const fault = faultOf(module.name, wanted, exporters, all)
      if (fault !== null) faults.push(fault)
      else calls.push({ interface: name, callee: exporters[0]!.module })
    }
  }
  return { host, wasi, calls, faults }
}

interface Exported {
  readonly module: string
  readonly interface: InterfaceType
}

const exportersOf = (wanted: string, all: readonly LinkableModule[]): Exported[] =>
  all.flatMap(({ name, world }) => {
    const found = world.exports.find((exported) => serves(exported.name, wanted))
    return found === undefined ? [] : [{ module: name, interface: found }]
  })

function faultOf(
  module: string,
  wanted: InterfaceType,
  exporters: readonly Exported[],
  all: readonly LinkableModule[],
): LinkFault | null {
  const imports = `${module} imports ${wanted.name}`
  const [exporter, ...others] = exporters
  if (exporter === undefined)
    return { code: 'import-unresolved', module, text: `${imports}, ${nothingServes(wanted.name, all)}` }
  if (others.length > 0) {
    const names = exporters.map((each) => each.module)
    return { code: 'import-ambiguous', module, text: `${imports}, which ${names.join(' and ')} both export` }
  }
  const why = whyIncompatible(wanted, exporter.interface)
  if (why === null) return null
  return { code: 'import-incompatible', module, text: `${imports} of ${exporter.module}, but ${why}` }
}

/** The other versions that there are, else the interface that is spelled most like it. */
function nothingServes(wanted: string, all: readonly LinkableModule[]): string {
  const exported = all.flatMap(({ name, world }) => world.exports.map((item) => ({ module: name, name: item.name })))
  const versions = exported.filter(({ name }) => bareName(name) === bareName(wanted))
  if (versions.length > 0) return `but ${versions.map(({ module, name }) => `${module} exports ${name}`).join(', ')}`
  const nobody = 'which neither the host nor a module of the app provides'
  const own = exported.filter(({ name }) => !name.startsWith('hypha:module/'))
  const meant = nearest(
    bareName(wanted),
    own.map(({ name }) => bareName(name)),
  )
  const near = own.find(({ name }) => bareName(name) === meant)
  return near === undefined ? nobody : `${nobody}; the nearest is ${near.name} of ${near.module}`
}

/** The shortest way from a module along its calls back to itself, named once; null where there is none. */
function findCycle(graph: ReadonlyMap<string, LinkedModule>, start: string): string[] | null {
  const cameFrom = new Map<string, string>()
  const queue = [start]
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const { callee } of graph.get(at)!.calls) {
      if (callee === start) {
        const path = [at]
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
