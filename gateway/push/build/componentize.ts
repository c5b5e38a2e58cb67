import { HyphaError } from '@hypha/core/errors.ts'
import { nearest } from '@hypha/core/nearest.ts'
import { type CoreModule, parseCore } from '@hypha/core/wasm/core.ts'
import type { WitFolder, WitInterface } from './wit.ts'

/** Interfaces that a module's core imports and exports. */
interface ModuleWorld {
  readonly imports: readonly string[]
  readonly exports: readonly string[]
}

/**
 * Reads off a core module which interfaces it imports and exports, by canonical names. Each export is there whole, and each import is
 * of an interface that is known.
 *
 * @throws HyphaError `world-invalid`, naming module, interface and function.
 */
function worldOfCore(module: string, core: CoreModule, interfaces: readonly WitInterface[]): ModuleWorld {
  const known = new Map(interfaces.map((item) => [item.id, item]))
  const imports = new Set<string>()
  for (const item of core.imports) {
    const found = known.get(item.module)
    if (found === undefined) throw unknownInterface(module, `imports "${item.name}" from`, item.module, interfaces)
    if (!found.funcs.some((func) => func.name === item.name)) {
      throw new HyphaError(
        'world-invalid',
        `${module} imports ${item.module}#${item.name}, which is no function of that interface`,
      )
    }
    imports.add(item.module)
  }
  const exports = exportedFuncs(core)
  for (const [id, funcs] of exports) {
    const found = known.get(id)
    if (found === undefined) throw unknownInterface(module, 'exports functions of', id, interfaces)
    checkWhole(module, found, funcs)
  }
  if (exports.size === 0) {
    throw new HyphaError('world-invalid', `${module} exports nothing that would drive it`, {
      mend: 'Export a function such as tick (hypha:module/timer) or deliver (hypha:module/inbox).',
    })
  }
  return { imports: [...imports].sort(), exports: [...exports.keys()].sort() }
}

/** Functions of interfaces among a core's exports, by the interface's name. */
function exportedFuncs(core: CoreModule): Map<string, Set<string>> {
  const funcs = new Map<string, Set<string>>()
  for (const { name, kind } of core.exports) {
    const hash = name.indexOf('#')
    if (kind !== 'func' || hash < 0 || name.startsWith('cabi_')) continue
    const id = name.slice(0, hash)
    funcs.set(id, (funcs.get(id) ?? new Set()).add(name.slice(hash + 1)))
  }
  return funcs
}

function checkWhole(module: string, item: WitInterface, funcs: ReadonlySet<string>): void {
  const names = item.funcs.map((func) => func.name)
  const missing = names.filter((name) => !funcs.has(name))
  const foreign = [...funcs].filter((name) => !names.includes(name))
  if (missing.length > 0) {
    throw new HyphaError(
      'world-invalid',
      `${module} exports only a part of ${item.id}: ${missing.join(', ')} is missing`,
    )
  }
  if (foreign.length > 0) {
    throw new HyphaError(
      'world-invalid',
      `${module} exports ${item.id}#${foreign[0]}, which is no function of that interface`,
    )
  }
}

function unknownInterface(module: string, verb: string, id: string, interfaces: readonly WitInterface[]): HyphaError {
  const meant = nearest(
    id,
    interfaces.map((item) => item.id),
  )
  const mend = id.startsWith('wasi')
    ? 'Core modules with WASI imports must be made components by their own toolchain.'
    : meant === null
      ? 'State the interface in the wit folder of the app.'
      : `Did you mean "${meant}"?`
  return new HyphaError('world-invalid', `${module} ${verb} "${id}", which neither Hypha nor the app states`, { mend })
}

/**
 * Makes a component of a core module: writes the module's own world, embeds it, and lets jco wrap the core.
 *
 * @throws HyphaError `world-invalid` where the core and its world don't fit; the message is the component tools'.
 */
export async function componentize(module: string, bytes: Uint8Array, wit: WitFolder): Promise<Uint8Array> {
  const world = worldOfCore(module, parseCore(bytes), wit.interfaces)
  const lines = [...world.imports.map((id) => `  import ${id};`), ...world.exports.map((id) => `  export ${id};`)]
  // Loaded only when something is to be built: it takes a third of a second and 60 MB.
  const { componentEmbed, componentNew } = await import('@bytecodealliance/jco')
  try {
    const embedded = await componentEmbed({
      binary: bytes,
      witSource: `package hypha:build;\n${wit.text}\nworld module {\n${lines.join('\n')}\n}\n`,
      world: 'module',
    })
    return await componentNew(embedded)
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : JSON.stringify(cause)
    throw new HyphaError('world-invalid', `${module}: ${words}`, { cause })
  }
}
