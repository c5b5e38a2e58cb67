import { HyphaError } from '@hypha/core/errors.ts'
import { type AbiContext, bindExport, bindImport, type CoreFunction } from '@hypha/core/wasm/abi.ts'
import { rootInterface } from '@hypha/core/wasm/names.ts'
import type { FuncType, InterfaceType, World } from '@hypha/core/wasm/types.ts'
import type { HostContext, HostFunctions } from '../../host/host.ts'
import { wasiFunctions } from '../../host/wasi.ts'
import type { CellLink } from '../protocol.ts'
import { type CallPorts, callingFunction } from './calls.ts'
import type { Exports, LiftedFunction } from './lifted.ts'

/** What one call may lift out of a module: it is held in the worker's own heap, which is small. */
const maxLiftedBytes = 2 * 1024 * 1024

export interface InstanceParts {
  readonly world: World
  readonly links: ReadonlyMap<string, CellLink>
  readonly context: HostContext
  /** The functions of a host interface; null where there is no such interface. */
  host(name: string): HostFunctions | null
  /** Its imports are bound: from here on the module's own code runs. */
  onBound(): void
  /** Told of the instance's memory, where it has one, and of its allocator. */
  onMemory(memory: WebAssembly.Memory, realloc: WebAssembly.ExportValue | undefined): void
  readonly calls: CallPorts
}

/**
 * Instantiates a module with what its links say and nothing else, and binds what it exports. Throws what instantiation throws, and
 * `module-unloadable` where the core doesn't fit its world.
 */
export function instantiateCore(module: WebAssembly.Module, parts: InstanceParts): Exports {
  let exports: WebAssembly.Exports | null = null
  const abi: AbiContext = {
    memory: () => {
      const memory = exports?.memory
      if (!(memory instanceof WebAssembly.Memory))
        throw new HyphaError('abi-trap', 'the module passes values but has no memory yet')
      return memory
    },
    realloc: (oldPointer, oldSize, align, newSize) => {
      const realloc = exports?.cabi_realloc
      if (typeof realloc !== 'function')
        throw new HyphaError('abi-trap', 'the module takes values but exports no cabi_realloc')
      return (realloc as (...args: number[]) => number)(oldPointer, oldSize, align, newSize)
    },
    maxLiftedBytes,
  }
  const imports = bindImports(module, parts, abi)
  parts.onBound()
  const instance = new WebAssembly.Instance(module, imports)
  exports = instance.exports
  if (exports.memory instanceof WebAssembly.Memory) parts.onMemory(exports.memory, exports.cabi_realloc)
  // Reactors of C and Rust initialise themselves here (WASI, application ABI).
  if (typeof exports._initialize === 'function') (exports._initialize as () => void)()
  return bindExports(parts.world, exports, abi)
}

function bindImports(module: WebAssembly.Module, parts: InstanceParts, abi: AbiContext): WebAssembly.Imports {
  const wasi = wasiFunctions(parts.context, abi)
  const provide = providers(parts)
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {}
  for (const { module: name, name: func } of WebAssembly.Module.imports(module)) {
    imports[name] ??= {}
    if (name.startsWith('wasi:')) imports[name][func] = wasi(name, func) ?? missing(name, func)
    else {
      const { type, run } = provide(name, func)
      imports[name][func] = bindImport(type, run, abi, `${name}#${func}`)
    }
  }
  return imports
}

/** Finds who serves a function that is imported, by the instance's links and nothing else. Throws `module-unloadable`. */
export function providers(
  parts: InstanceParts,
): (name: string, func: string) => { type: FuncType; run: LiftedFunction } {
  const served = new Map<string, HostFunctions | null>()
  return (name, func) => {
    const type = findFunc(parts.world.imports, name, func)
    const link = parts.links.get(name)
    if (type === undefined || link === undefined) {
      throw new HyphaError('module-unloadable', `the module imports ${name}#${func}, which is not linked`, {
        where: name,
      })
    }
    if (link !== 'host') {
      const { calls } = parts
      const run =
        link.kind === 'cell' ? calls.direct(link.instance, link.as, func) : callingFunction(link, name, type, calls)
      return { type, run }
    }
    if (!served.has(name)) served.set(name, parts.host(name))
    const host = served.get(name)?.[func]
    if (host === undefined)
      throw new HyphaError('module-unloadable', `no host interface has ${name}#${func}`, { where: name })
    return { type, run: host as LiftedFunction }
  }
}

/** A WASI function that has no shim: calling it traps, having it imported doesn't. */
function missing(name: string, func: string): () => never {
  return () => {
    throw new HyphaError('abi-trap', `${name}#${func} is not given to modules`)
  }
}

function bindExports(world: World, exports: WebAssembly.Exports, abi: AbiContext): Exports {
  const bound = new Map<string, ReadonlyMap<string, LiftedFunction>>()
  for (const { name, funcs } of world.exports) {
    const functions = new Map<string, LiftedFunction>()
    for (const func of funcs) {
      const exportName = name === rootInterface ? func.name : `${name}#${func.name}`
      const core = exports[exportName]
      if (typeof core !== 'function') {
        throw new HyphaError('module-unloadable', `the core does not export "${exportName}", which its world has`)
      }
      const post = exports[`cabi_post_${exportName}`]
      const bindPost = typeof post === 'function' ? (post as CoreFunction) : undefined
      functions.set(func.name, bindExport(func, core as CoreFunction, bindPost, abi, exportName))
    }
    bound.set(name, functions)
  }
  return bound
}

function findFunc(interfaces: readonly InterfaceType[], name: string, func: string): FuncType | undefined {
  return interfaces.find((entry) => entry.name === name)?.funcs.find((entry) => entry.name === func)
}
