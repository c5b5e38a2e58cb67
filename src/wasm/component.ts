import { ByteReader } from '../bytes/reader.ts'
import {
  type CanonOptions,
  type CoreGraph,
  emptyCoreGraph,
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
  type TypeDef,
  type TypeScope,
  unsupported,
} from './component-types.ts'
import { hasPreamble } from './core.ts'
import { readCount, readName } from './core-types.ts'

const maxItems = 100_000
const maxModules = 1000
const maxNesting = 8
/** Bytes of a component outside of its core modules and custom sections. A component that imports all of WASI has some 60 KB. */
const maxDefinitionBytes = 1024 * 1024

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

/** A component, as far as Hypha needs to know it. */
export interface Component {
  /** What it imports and exports, by name, in the order of the binary. */
  readonly imports: ReadonlyMap<string, Extern>
  readonly exports: ReadonlyMap<string, Extern>
  readonly funcs: readonly ComponentFunc[]
  readonly types: readonly TypeDef[]
  readonly core: CoreGraph
  /** Core modules in components nested in this one. */
  readonly nestedModules: readonly Uint8Array[]
}

interface Draft extends TypeScope {
  readonly outer: Draft | TypeScope | null
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

// Version 0x0d of layer 1: what wit-component writes.
const componentVersion = [0x0d, 0x00, 0x01, 0x00]

/** Whether the bytes begin as a component does. */
export function isComponent(bytes: Uint8Array): boolean {
  return hasPreamble(bytes, componentVersion)
}

/**
 * Parses a component: its types, imports and exports, and where its core modules get their imports from. The core modules are left
 * as bytes.
 *
 * @throws HyphaError `component-malformed`, `component-unsupported` or `bytes-…`, with the byte's offset.
 */
export function parseComponent(bytes: Uint8Array): Component {
  const reader = new ByteReader(bytes, 'component')
  return readComponent(reader, null, { bytes: 0 })
}

function readComponent(reader: ByteReader, outer: Draft | null, spent: { bytes: number }): Draft {
  const depth = outer === null ? 0 : outer.depth + 1
  if (!hasPreamble(reader.bytes.subarray(reader.at, reader.end), componentVersion)) {
    throw malformed(reader, 'this is no WebAssembly component of version 0x0d')
  }
  if (depth > maxNesting) throw unsupported(reader, `components are nested deeper than ${maxNesting}`)
  reader.skip(8)
  const draft: Draft = {
    outer,
    types: [],
    instances: [],
    funcs: [],
    components: [],
    core: emptyCoreGraph(),
    imports: new Map(),
    exports: new Map(),
    nestedModules: [],
    depth,
    spent,
  }
  while (!reader.done) readSection(reader, draft)
  return draft
}

function readSection(reader: ByteReader, draft: Draft): void {
  const at = reader.at
  const id = reader.u8()
  const body = reader.sub(reader.uleb())
  switch (id) {
    case 0:
      // Custom: names and producers.
      return
    case 1:
      addModule(body, draft.core.modules, body.take(body.left))
      return
    case 3:
      // Core types, for imported core modules: nothing here looks at them.
      return
    case 4: {
      const inner = readComponent(body, draft, draft.spent)
      draft.components.push({ sort: 'component', exports: inner.exports })
      for (const module of inner.core.modules) addModule(body, draft.nestedModules, module)
      for (const module of inner.nestedModules) addModule(body, draft.nestedModules, module)
      return
    }
    default: {
      draft.spent.bytes += body.left
      if (draft.spent.bytes > maxDefinitionBytes) {
        throw unsupported(body, `the definitions are over the cap of ${maxDefinitionBytes} bytes`, at)
      }
      const read = itemReaders[id]
      if (read === undefined) throw unsupported(body, `the section ${id} is unknown`, at)
      for (let left = readCount(body, maxItems, 'items of a section'); left > 0; left--) read(body, draft)
      if (!body.done) throw malformed(body, `${body.left} bytes are left over at the end of section ${id}`)
    }
  }
}

function addModule(reader: ByteReader, modules: Uint8Array[], module: Uint8Array): void {
  if (modules.length === maxModules) throw unsupported(reader, `there are over ${maxModules} core modules`)
  modules.push(module)
}

const itemReaders: Readonly<Record<number, (reader: ByteReader, draft: Draft) => void>> = {
  2: (reader, draft) => readCoreInstance(reader, draft.core),
  5: readInstance,
  6: readAlias,
  7: (reader, draft) => draft.types.push(readTypeDef(reader, draft)),
  8: readCanon,
  10: readImport,
  11: readExport,
}

function readInstance(reader: ByteReader, draft: Draft): void {
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
function readSortIndex(reader: ByteReader, draft: Draft): Indexed {
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
function define(draft: Draft, extern: Extern, origin: FuncOrigin, imported: string | null): void {
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

function readAlias(reader: ByteReader, draft: Draft): void {
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

function readCanon(reader: ByteReader, draft: Draft): void {
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

function readImport(reader: ByteReader, draft: Draft): void {
  const at = reader.at
  const name = readExternName(reader)
  const extern = readExternType(reader, draft, name)
  if (draft.imports.has(name)) throw malformed(reader, `"${name}" is imported twice`, at)
  if (extern.sort === 'module') throw unsupported(reader, `"${name}" imports a core module`, at)
  draft.imports.set(name, extern)
  define(draft, extern, { kind: 'import', instance: null, name }, name)
}

function readExport(reader: ByteReader, draft: Draft): void {
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
