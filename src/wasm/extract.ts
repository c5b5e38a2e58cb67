import { HyphaError } from '../errors.ts'
import { coreSignature } from './abi.ts'
import { type Component, parseComponent } from './component.ts'
import type { CoreAlias, CoreFunc, CoreInstance } from './component-core.ts'
import type { FuncOrigin } from './component-items.ts'
import { type CoreModule, parseCore } from './core.ts'
import { rootInterface } from './names.ts'
import { readFixup, shimSlots } from './shim.ts'
import type { FuncType, World } from './types.ts'
import { worldOf } from './world.ts'

/** The names of the canonical ABI as wit-component reads them in a core module. */
export const coreNames = {
  memory: 'memory',
  realloc: 'cabi_realloc',
  initialize: '_initialize',
  export: (interfaceName: string, func: string): string =>
    interfaceName === rootInterface ? func : `${interfaceName}#${func}`,
  postReturn: (exportName: string): string => `cabi_post_${exportName}`,
} as const

export type Extraction =
  | { readonly core: CoreModule; readonly why: null }
  /** `why` ends the sentence "it has no core form: …". */
  | { readonly core: null; readonly why: string }

type Instantiation = Extract<CoreInstance, { kind: 'instantiate' }>

class NoCoreForm extends Error {}

/**
 * The core form of a component: the bytes of the one core module that defines the memory, where everything that it imports is an import of the
 * component under its canonical name. Null where there is none, and the component runs only as a whole.
 */
export function extractCore(component: Uint8Array): Uint8Array | null {
  const parsed = parseComponent(component)
  const modules = parsed.core.modules.map((bytes) => parseCore(bytes))
  return findCore(parsed, modules, worldOf(parsed)).core?.bytes ?? null
}

/** As `extractCore`, from what is parsed already; `modules` are the component's core modules in order. */
export function findCore(component: Component, modules: readonly CoreModule[], world: World): Extraction {
  try {
    return { core: new Extractor(component, modules, world).find(), why: null }
  } catch (error) {
    if (error instanceof NoCoreForm) return { core: null, why: error.message }
    throw error
  }
}

/** Follows the core instances of a component from what `main` imports to the component's own imports. */
class Extractor {
  readonly #component: Component
  readonly #modules: readonly CoreModule[]
  readonly #world: World
  readonly #main: number
  /** For each instance of a shim, the functions that end up in its table. */
  readonly #patched = new Map<number, Map<number, CoreFunc>>()

  constructor(component: Component, modules: readonly CoreModule[], world: World) {
    this.#component = component
    this.#modules = modules
    this.#world = world
    this.#main = this.#findMain()
  }

  find(): CoreModule {
    this.#component.core.instances.forEach((instance, index) => {
      if (instance.kind === 'instantiate' && index !== this.#main) this.#checkHelper(instance)
    })
    const instance = this.#component.core.instances[this.#main] as Instantiation
    const main = this.#modules[instance.module]!
    for (const item of main.imports) this.#checkImport(main, instance, item)
    this.#checkExports(main)
    return main
  }

  #findMain(): number {
    const { instances } = this.#component.core
    if (this.#component.nestedModules.length > 0)
      throw new NoCoreForm('components are nested in it that hold core modules')
    const owners = this.#modules.flatMap((module, index) =>
      module.memories.length > 0 && !importsMemory(module) ? [index] : [],
    )
    if (owners.length !== 1) throw new NoCoreForm(`${owners.length} of its core modules define a memory`)
    const found = instances.flatMap((instance, index) =>
      instance.kind === 'instantiate' && instance.module === owners[0] ? [index] : [],
    )
    if (found.length !== 1) throw new NoCoreForm(`its main core module is instantiated ${found.length} times`)
    return found[0]!
  }

  /** Beside main there may be only what wit-component adds: the shim, what fills its table, and what calls `_initialize`. */
  #checkHelper(instance: Instantiation): void {
    const module = this.#modules[instance.module]!
    if (shimSlots(module) !== null) return
    const fixup = readFixup(module)
    if (fixup === null) throw new NoCoreForm('it holds adapters: core modules beside main that do work of their own')
    const func = (from: { module: string; name: string }): CoreFunc =>
      this.#exportedFunc(this.#argument(instance, from.module), from.name)
    if (fixup.start !== null && !this.#isMains(func(fixup.start), coreNames.initialize)) {
      throw new NoCoreForm('one of its core modules starts something else than main')
    }
    if (fixup.table === null) return
    const shim = this.#exportedTable(this.#argument(instance, fixup.table.module), fixup.table.name)
    const slots = this.#patched.get(shim.instance) ?? new Map<number, CoreFunc>()
    this.#patched.set(shim.instance, slots)
    for (const patch of fixup.patches) slots.set(patch.slot, func(patch))
  }

  #argument(instance: Instantiation, name: string): number {
    const index = instance.args.get(name)
    if (index === undefined)
      throw new HyphaError('component-malformed', `component: a core module is not given "${name}"`)
    return index
  }

  /** The function that a core instance exports under a name, followed to where it is defined. */
  #exportedFunc(instance: number, name: string): CoreFunc {
    const { core } = this.#component
    // Instances only refer to earlier ones, so this ends.
    for (let from = { instance, name }; ; ) {
      const source = core.instances[from.instance]!
      if (source.kind === 'instantiate') return { kind: 'alias', ...from }
      const item = source.items.get(from.name)
      const func = item?.sort === 'func' ? core.funcs[item.index] : undefined
      if (func === undefined)
        throw new HyphaError('component-malformed', `component: a core instance has no function "${from.name}"`)
      if (func.kind !== 'alias') return func
      from = { instance: func.instance, name: func.name }
    }
  }

  #exportedTable(instance: number, name: string): CoreAlias {
    const { core } = this.#component
    const source = core.instances[instance]!
    if (source.kind === 'instantiate') return { instance, name }
    const item = source.items.get(name)
    const table = item?.sort === 'table' ? core.tables[item.index] : undefined
    if (table === undefined)
      throw new HyphaError('component-malformed', `component: a core instance has no table "${name}"`)
    return table
  }

  /** Through the shim, if the function is one of its trampolines. */
  #throughShim(func: CoreFunc): CoreFunc {
    if (func.kind !== 'alias') return func
    const source = this.#component.core.instances[func.instance]!
    if (source.kind !== 'instantiate') return this.#throughShim(this.#exportedFunc(func.instance, func.name))
    const slot = shimSlots(this.#modules[source.module]!)?.get(func.name)
    const patched = slot === undefined ? undefined : this.#patched.get(func.instance)?.get(slot)
    return patched ?? func
  }

  #isMains(func: CoreFunc | undefined, name: string): boolean {
    return func?.kind === 'alias' && func.instance === this.#main && func.name === name
  }

  #checkImport(main: CoreModule, instance: Instantiation, item: CoreModule['imports'][number]): void {
    const what = `"${item.name}" of "${item.module}"`
    if (item.kind !== 'func') throw new NoCoreForm(`main imports the ${item.kind} ${what}`)
    const func = this.#throughShim(this.#exportedFunc(this.#argument(instance, item.module), item.name))
    if (func.kind === 'resource-drop' && item.name.startsWith('[resource-drop]')) return
    if (func.kind !== 'lower') throw new NoCoreForm(`main imports ${what}, which is not an import of the component`)
    const origin = this.#component.funcs[func.func]?.origin
    if (origin?.kind !== 'import' || (origin.instance ?? rootInterface) !== item.module || origin.name !== item.name) {
      throw new NoCoreForm(`main imports ${what} under another name than the component`)
    }
    this.#checkOptions(func.options, what)
    const type = this.#world.imports
      .find(({ name }) => name === item.module)
      ?.funcs.find(({ name }) => name === item.name)
    // Functions of WASI's that don't cross by value aren't in the world.
    if (type !== undefined) checkSignature(main, item.typeIndex, coreSignature(type, 'import'), what)
  }

  #checkOptions(options: Extract<CoreFunc, { kind: 'lower' }>['options'], what: string): void {
    const { core } = this.#component
    if (!options.utf8) throw new NoCoreForm(`${what} takes strings in another encoding than UTF-8`)
    if (options.async) throw new NoCoreForm(`${what} is async`)
    const memory = options.memory === null ? null : core.memories[options.memory]
    const ownMemory = memory === null || (memory?.instance === this.#main && memory.name === coreNames.memory)
    const realloc = options.realloc === null ? null : core.funcs[options.realloc]
    if (!ownMemory || (realloc !== null && !this.#isMains(realloc, coreNames.realloc))) {
      throw new NoCoreForm(`${what} uses another memory or allocator than main's "memory" and "cabi_realloc"`)
    }
  }

  #checkExports(main: CoreModule): void {
    const expected = new Map<string, FuncType>()
    for (const { name, funcs } of this.#world.exports) {
      for (const func of funcs) expected.set(coreNames.export(name, func.name), func)
    }
    for (const { origin } of this.#component.funcs) if (origin.kind === 'lift') this.#checkLift(origin, expected)
    const exports = new Map(main.exports.map((item) => [item.name, item]))
    for (const [name, func] of expected) {
      const item = exports.get(name)
      if (item?.kind !== 'func') throw new NoCoreForm(`main does not export the function "${name}"`)
      checkSignature(main, main.functions[item.index] ?? null, coreSignature(func, 'export'), `"${name}"`)
    }
    if (exports.get(coreNames.memory)?.kind !== 'memory')
      throw new NoCoreForm('main does not export its memory as "memory"')
    if (main.memories.length > 1 || main.memories[0]!.is64 || main.memories[0]!.shared) {
      throw new NoCoreForm('main has several memories, a shared one, or one of 64 bits')
    }
  }

  #checkLift(origin: Extract<FuncOrigin, { kind: 'lift' }>, expected: ReadonlyMap<string, FuncType>): void {
    const { core } = this.#component
    const func = core.funcs[origin.core]
    if (func?.kind !== 'alias' || func.instance !== this.#main || !expected.has(func.name)) {
      throw new NoCoreForm('it exports a function that main does not export under its canonical name')
    }
    this.#checkOptions(origin.options, `"${func.name}"`)
    const post = origin.options.postReturn
    if (post !== null && !this.#isMains(core.funcs[post], coreNames.postReturn(func.name))) {
      throw new NoCoreForm(`"${func.name}" cleans up through a function of another name`)
    }
  }
}

/** A valid component lowers and lifts to just these types; another one would not be called right by the binder. */
function checkSignature(
  main: CoreModule,
  typeIndex: number | null,
  expected: { readonly params: readonly string[]; readonly results: readonly string[] },
  what: string,
): void {
  const type = main.types[typeIndex ?? -1]
  const same = type?.params.join() === expected.params.join() && type.results.join() === expected.results.join()
  if (!same) throw new NoCoreForm(`${what} is of another core type than its WIT type has`)
}

const importsMemory = (module: CoreModule): boolean => module.imports.some((item) => item.kind === 'memory')
