import type { ByteReader } from '../bytes/reader.ts'
import {
  type CanonOptions,
  type CoreGraph,
  readBuiltin,
  readCanonOptions,
  readCoreAlias,
  readCoreInstance,
  readCoreSort,
} from './component-core.ts'
import { exportOf, readExternName, readExternType, readOuterType, readTypeDef } from './component-decls.ts'
import {
  type ComponentDef,
  type Extern,
  type FuncDef,
  type InstanceDef,
  item,
  malformed,
  nameType,
  readValType,
  type TypeScope,
  unsupported,
} from './component-types.ts'
import { readCount, readName } from './core-types.ts'

/** More items than this in one section, or arguments of one item, are refused. */
export const maxItems = 100_000

/** Where a function of a component comes from. */
export type FuncOrigin =
  /** Imported: from the interface `instance`, or by the component itself where that is null. */
  | { readonly kind: 'import'; readonly instance: string | null; readonly name: string }
  /** Core function `core` made a component's function. */
  | { readonly kind: 'lift'; readonly core: number; readonly options: CanonOptions }
  | { readonly kind: 'other' }

export interface ComponentFunc {
  readonly def: FuncDef
  readonly origin: FuncOrigin
}

interface ComponentInstance {
  readonly def: InstanceDef
  /** The name under which the component imports it, else null. */
  readonly imported: string | null
}

/** A component while it is being read. */
export interface ComponentDraft extends TypeScope {
  readonly outer: TypeScope | null
  readonly instances: ComponentInstance[]
  readonly funcs: ComponentFunc[]
  readonly components: ComponentDef[]
  readonly core: CoreGraph
  readonly imports: Map<string, Extern>
  readonly exports: Map<string, Extern>
  readonly nestedModules: Uint8Array[]
  readonly depth: number
  readonly spent: { bytes: number }
}

/** How the items of each section are read (component model, Binary). Core modules, components and custom sections are read elsewhere. */
export const itemReaders: Readonly<Record<number, (reader: ByteReader, draft: ComponentDraft) => void>> = {
  2: (reader, draft) => readCoreInstance(reader, draft.core),
  5: readInstance,
  6: readAlias,
  7: (reader, draft) => draft.types.push(readTypeDef(reader, draft)),
  8: readCanon,
  10: readImport,
  11: readExport,
}

function readInstance(reader: ByteReader, draft: ComponentDraft): void {
  const at = reader.at
  const form = reader.u8()
  if (form === 0x00) {
    const component = item(reader, draft.components, reader.uleb(), 'component')
    for (let left = readCount(reader, maxItems, 'arguments'); left > 0; left--) {
      readName(reader)
      readSortIndex(reader, draft)
    }
    // Its exports' types are read off the component: what it imports it only passes on by equality.
    draft.instances.push({ def: { sort: 'instance', exports: component.exports }, imported: null })
  } else if (form === 0x01) {
    const exports = new Map<string, Extern>()
    for (let left = readCount(reader, maxItems, 'exports'); left > 0; left--) {
      const name = readExternName(reader)
      exports.set(name, readSortIndex(reader, draft).extern)
    }
    draft.instances.push({ def: { sort: 'instance', exports }, imported: null })
  } else throw unsupported(reader, `the form of instance 0x${form.toString(16)} is unknown`, at)
}

interface Indexed {
  readonly extern: Extern
  readonly origin: FuncOrigin
  readonly imported: string | null
}

/** Reads a `sortidx` and looks it up. */
function readSortIndex(reader: ByteReader, draft: ComponentDraft): Indexed {
  const at = reader.at
  const sort = reader.u8()
  const found = (extern: Extern, origin: FuncOrigin = { kind: 'other' }, imported: string | null = null): Indexed => {
    return { extern, origin, imported }
  }
  switch (sort) {
    case 0x00:
      if (reader.u8() !== 0x11) throw malformed(reader, 'only core modules cross a component boundary', at)
      reader.uleb()
      return found({ sort: 'module' })
    case 0x01: {
      const func = item(reader, draft.funcs, reader.uleb(), 'function')
      return found({ sort: 'func', def: func.def }, func.origin)
    }
    case 0x03:
      return found({ sort: 'type', def: item(reader, draft.types, reader.uleb(), 'type') })
    case 0x04:
      return found({ sort: 'component', def: item(reader, draft.components, reader.uleb(), 'component') })
    case 0x05: {
      const instance = item(reader, draft.instances, reader.uleb(), 'instance')
      return found({ sort: 'instance', def: instance.def }, undefined, instance.imported)
    }
    default:
      throw unsupported(reader, `the sort 0x${sort.toString(16)} is unknown`, at)
  }
}

/** An extern gets the next index of its sort. */
function define(draft: ComponentDraft, extern: Extern, origin: FuncOrigin, imported: string | null): void {
  switch (extern.sort) {
    case 'func':
      draft.funcs.push({ def: extern.def, origin })
      break
    case 'type':
      draft.types.push(extern.def)
      break
    case 'instance':
      draft.instances.push({ def: extern.def, imported })
      break
    case 'component':
      draft.components.push(extern.def)
      break
    case 'module':
      // Refused where it is imported or exported.
      break
  }
}

function readAlias(reader: ByteReader, draft: ComponentDraft): void {
  const at = reader.at
  const sort = reader.u8()
  const coreSort = sort === 0x00 ? readCoreSort(reader) : null
  const target = reader.u8()
  if (target === 0x01 && coreSort !== null) {
    readCoreAlias(reader, draft.core, coreSort)
    return
  }
  if (target === 0x00 && coreSort === null) {
    const instance = item(reader, draft.instances, reader.uleb(), 'instance')
    const name = readName(reader)
    const extern = exportOf(reader, instance.def, name)
    if (extern.sort !== aliasSorts[sort]) throw malformed(reader, `"${name}" is a ${extern.sort}`, at)
    const origin: FuncOrigin =
      instance.imported === null ? { kind: 'other' } : { kind: 'import', instance: instance.imported, name }
    define(draft, extern, origin, null)
    return
  }
  if (target === 0x02 && sort === 0x03) {
    draft.types.push(readOuterType(reader, draft))
    return
  }
  throw unsupported(reader, `the alias 0x${sort.toString(16)} 0x${target.toString(16)} is not carried`, at)
}

const aliasSorts: Readonly<Record<number, Extern['sort']>> = { 1: 'func', 3: 'type', 4: 'component', 5: 'instance' }

function readCanon(reader: ByteReader, draft: ComponentDraft): void {
  const at = reader.at
  const code = reader.u8()
  if (code === 0x00) {
    if (reader.u8() !== 0x00) throw malformed(reader, 'a lift is not of a function', at)
    const core = reader.uleb()
    item(reader, draft.core.funcs, core, 'core function')
    const options = readCanonOptions(reader)
    const def = item(reader, draft.types, reader.uleb(), 'type')
    if (def.sort !== 'func') throw malformed(reader, `a function is lifted to a ${def.sort} type`, at)
    draft.funcs.push({ def, origin: { kind: 'lift', core, options } })
  } else if (code === 0x01) {
    if (reader.u8() !== 0x00) throw malformed(reader, 'a lowering is not of a function', at)
    const func = reader.uleb()
    item(reader, draft.funcs, func, 'function')
    draft.core.funcs.push({ kind: 'lower', func, options: readCanonOptions(reader) })
  } else {
    readBuiltin(reader, draft.core, code, () => {
      if (reader.u8() === 0x00) readValType(reader, draft)
      else reader.skip(1)
    })
  }
}

function readImport(reader: ByteReader, draft: ComponentDraft): void {
  const at = reader.at
  const name = readExternName(reader)
  const extern = readExternType(reader, draft, name)
  if (draft.imports.has(name)) throw malformed(reader, `"${name}" is imported twice`, at)
  if (extern.sort === 'module') throw unsupported(reader, `"${name}" imports a core module`, at)
  draft.imports.set(name, extern)
  define(draft, extern, { kind: 'import', instance: null, name }, name)
}

function readExport(reader: ByteReader, draft: ComponentDraft): void {
  const at = reader.at
  const name = readExternName(reader)
  const { extern, origin, imported } = readSortIndex(reader, draft)
  const present = reader.u8()
  if (present > 1) throw malformed(reader, 'an optional part is neither absent nor present', reader.at - 1)
  let shown = extern
  if (present === 1) shown = readExternType(reader, draft, name)
  if (shown.sort === 'module') throw unsupported(reader, `"${name}" exports a core module`, at)
  shown = nameType(shown, name)
  if (draft.exports.has(name)) throw malformed(reader, `"${name}" is exported twice`, at)
  draft.exports.set(name, shown)
  define(draft, shown, origin, imported)
}
