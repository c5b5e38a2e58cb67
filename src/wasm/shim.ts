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

interface Import {
  readonly module: string
  readonly name: string
}

interface Fixup {
  /** The table that is filled; null where it only calls `start`. */
  readonly table: Import | null
  readonly patches: readonly (Import & { readonly slot: number })[]
  /** The imported function that it calls when it starts: so a component calls main's `_initialize`. */
  readonly start: Import | null
}

/** For a module that does nothing but fill an imported table with imported functions and call one of them: which goes where. Else null. */
export function readFixup(module: CoreModule): Fixup | null {
  const funcs = module.imports.filter((item) => item.kind === 'func')
  const [table = null, ...others] = module.imports.filter((item) => item.kind !== 'func')
  if (others.length > 0 || (table !== null && table.kind !== 'table')) return null
  if (module.bodies.length > 0 || module.exports.length > 0 || hasState({ ...module, start: null })) return null
  if (table === null && module.elements.length > 0) return null
  const patches: Fixup['patches'][number][] = []
  for (const { offset, funcs: indices } of module.elements) {
    if (offset === null || indices === null) return null
    for (const [position, index] of indices.entries()) {
      const func = funcs[index]
      if (func === undefined) return null
      patches.push({ slot: offset + position, module: func.module, name: func.name })
    }
  }
  const start = module.start === null ? null : funcs[module.start]
  return start === undefined ? null : { table, patches, start }
}
