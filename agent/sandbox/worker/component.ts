import { HyphaError } from '@hypha/core/errors.ts'
import { camelCase } from '@hypha/core/wasm/fold.ts'
import { rootInterface } from '@hypha/core/wasm/names.ts'
import type { FuncType, WitType } from '@hypha/core/wasm/types.ts'
import { wasiObjects } from '../../host/wasi-objects.ts'
import type { Transpiled } from '../protocol.ts'
import { type InstanceParts, providers } from './instance.ts'
import type { Exports, LiftedFunction } from './lifted.ts'

type Namespace = Record<string, unknown>

/** jco's instantiation, as its `instantiation: sync` makes it. */
type Instantiate = (
  getCoreModule: (name: string) => WebAssembly.Module,
  imports: Namespace,
  instantiateCore: (module: WebAssembly.Module, imports?: WebAssembly.Imports) => WebAssembly.Instance,
) => Record<string, Record<string, LiftedFunction>> | Promise<never>

/** A component whose core modules are compiled, and jco's glue between them. */
export interface CompiledComponent {
  readonly instantiate: Instantiate
  readonly cores: ReadonlyMap<string, { readonly module: WebAssembly.Module; readonly ownsMemory: boolean }>
}

/** Throws what the engine throws for a core module that it can't compile. */
export function compileComponent({ source, cores }: Transpiled): CompiledComponent {
  return {
    instantiate: new Function(source)() as Instantiate,
    cores: new Map(
      [...cores].map(([name, { bytes, ownsMemory }]) => [name, { module: new WebAssembly.Module(bytes), ownsMemory }]),
    ),
  }
}

/** As `instantiateCore`, for a component: jco's glue stands where the binder does, and values have the same shapes on both sides. */
export function instantiateComponent({ instantiate, cores }: CompiledComponent, parts: InstanceParts): Exports {
  const used = new Set<WebAssembly.Module>()
  const owners = new Set([...cores.values()].flatMap(({ module, ownsMemory }) => (ownsMemory ? [module] : [])))
  const bound = bindImports(parts)
  parts.onBound()
  const instance = instantiate(
    (name) => cores.get(name)!.module,
    bound,
    (module, imports = {}) => {
      // The memories' maxima were shared out for one instance of each.
      if (owners.has(module) && used.has(module)) {
        throw new HyphaError(
          'module-unloadable',
          'the component makes several instances of a core module with a memory',
        )
      }
      used.add(module)
      return new WebAssembly.Instance(module, imports)
    },
  )
  if (instance instanceof Promise) throw new HyphaError('module-unloadable', 'the component starts asynchronously')
  return bindExports(parts, instance)
}

function bindImports(parts: InstanceParts): Namespace {
  const provide = providers(parts)
  const wasi = wasiObjects(parts.context)
  const imports: Namespace = Object.create(null)
  for (const { name, funcs } of parts.world.imports) {
    // jco's glue knows imports without their version.
    const bare = name.replace(/@.*/, '')
    if (name.startsWith('wasi:')) {
      imports[bare] = wasi[bare] ?? {}
      continue
    }
    if (bare in imports) {
      throw new HyphaError('module-unloadable', `the component imports two versions of ${bare}`, { where: name })
    }
    const functions: Namespace = Object.create(null)
    for (const func of funcs) functions[camelCase(func.name)] = throwing(func, provide(name, func.name).run)
    imports[bare] = functions
  }
  return imports
}

function bindExports({ world }: InstanceParts, instance: Record<string, Record<string, unknown>>): Exports {
  return new Map(
    world.exports.map(({ name, funcs }) => {
      const exported: Record<string, unknown> | undefined = name === rootInterface ? instance : instance[name]
      const bound = funcs.map((func): [string, LiftedFunction] => {
        const run = exported?.[camelCase(func.name)]
        if (typeof run === 'function') return [func.name, catching(func, run as LiftedFunction)]
        throw new HyphaError('module-unloadable', `the component does not export ${name}#${func.name}`)
      })
      return [name, new Map(bound)]
    }),
  )
}

const isResult = (type: WitType | null): boolean => typeof type === 'object' && type?.kind === 'result'

/** jco throws the error of a result, and takes a thrown one for it where it has a `payload`. */
class ResultError extends Error {
  readonly payload: unknown

  constructor(payload: unknown) {
    super('the error of a result')
    this.payload = payload
  }
}

/** From results as `{ tag, val }` to thrown ones. */
function throwing(func: FuncType, run: LiftedFunction): LiftedFunction {
  if (!isResult(func.result)) return run
  return (...args) => {
    const { tag, val } = run(...args) as { tag: string; val?: unknown }
    if (tag === 'ok') return val
    throw new ResultError(val)
  }
}

/** From thrown results to `{ tag, val }`. */
function catching(func: FuncType, run: LiftedFunction): LiftedFunction {
  if (!isResult(func.result)) return run
  return (...args) => {
    try {
      return { tag: 'ok', val: run(...args) }
    } catch (error) {
      if (error instanceof Error && 'payload' in error) return { tag: 'err', val: error.payload }
      throw error
    }
  }
}
