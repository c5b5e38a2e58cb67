import { ByteReader } from '../bytes/reader.ts'
import type { CoreModule } from './core.ts'

const slotsOf = new WeakMap<CoreModule, Map<string, number> | null>()

/**
 * wit-component breaks the circle between main (which imports lowered functions) and these (which need main's memory) with a shim: a module of
 * trampolines that call through a table, filled once main exists. For such a module, the table slot behind each export; else null.
 */
export function shimSlots(module: CoreModule): Map<string, number> | null {
  let slots = slotsOf.get(module)
  if (slots === undefined) {
    slots = readShim(module)
    slotsOf.set(module, slots)
  }
  return slots
}

function readShim(module: CoreModule): Map<string, number> | null {
  if (module.imports.length > 0 || module.tables.length !== 1 || hasState(module)) return null
  const slots = new Map<string, number>()
  for (const item of module.exports) {
    if (item.kind === 'table') continue
    const body = module.bodies[item.index]
    const type = module.types[module.functions[item.index] ?? -1]
    if (item.kind !== 'func' || body === undefined || type == null) return null
    const slot = trampolineSlot(new ByteReader(module.bytes, 'core module', ...body), type.params.length)
    if (slot === null) return null
    slots.set(item.name, slot)
  }
  return module.elements.length === 0 ? slots : null
}

const hasState = (module: CoreModule): boolean =>
  module.memories.length > 0 || module.globals.length > 0 || module.dataCount > 0 || module.start !== null

/** `local.get 0 … local.get n-1, i32.const slot, call_indirect, end`, without locals; null if it is anything else. */
function trampolineSlot(reader: ByteReader, params: number): number | null {
  if (reader.u8() !== 0) return null
  for (let param = 0; param < params; param++) if (reader.u8() !== 0x20 || reader.uleb() !== param) return null
  if (reader.u8() !== 0x41) return null
  const slot = Number(reader.sleb(32))
  if (reader.u8() !== 0x11) return null
  reader.uleb()
  return reader.uleb() === 0 && reader.u8() === 0x0b ? slot : null
}

interface Patch {
  readonly slot: number
  readonly module: string
  readonly name: string
}

/** For a module that does nothing but fill an imported table with imported functions: which goes where. Else null. */
export function tablePatches(module: CoreModule): Patch[] | null {
  const funcs = module.imports.filter((item) => item.kind === 'func')
  const tables = module.imports.filter((item) => item.kind === 'table')
  if (tables.length !== 1 || funcs.length + 1 !== module.imports.length) return null
  if (module.bodies.length > 0 || module.exports.length > 0 || hasState(module)) return null
  const patches: Patch[] = []
  for (const { offset, funcs: indices } of module.elements) {
    if (offset === null || indices === null) return null
    for (const [position, index] of indices.entries()) {
      const func = funcs[index]
      if (func === undefined) return null
      patches.push({ slot: offset + position, module: func.module, name: func.name })
    }
  }
  return patches
}

/** Whether the module does nothing but call the one function that it imports when it starts: so a component calls main's `_initialize`. */
export function initialised(module: CoreModule): boolean {
  const onlyFunc = module.imports.length === 1 && module.imports[0]!.kind === 'func'
  return onlyFunc && module.start === 0 && module.bodies.length === 0 && !hasState({ ...module, start: null })
}
