import { ByteReader } from '../bytes/reader.ts'
import { walkExpression } from './code.ts'
import type { CoreElement, CoreExport, CoreGlobal, CoreImport, CoreKind } from './core-module.ts'
import {
  type CoreFuncType,
  type CoreValueType,
  type Features,
  type Limits,
  readCount,
  readLimits,
  readName,
  readReferenceType,
  readValueType,
} from './core-types.ts'

/** More than this of any one kind (types, functions, exports, …) is refused. */
const maxItems = 200_000
/** A function with more parameters or results than this is refused. Engines refuse at 1,000. */
const maxArity = 1000
/** The functions of longer element segments are not kept. */
const maxKnownElements = 10_000

const kinds: readonly CoreKind[] = ['func', 'table', 'memory', 'global', 'tag']

/** A core module while it is being read. */
export interface Draft {
  readonly features: Features
  readonly types: (CoreFuncType | null)[]
  readonly imports: CoreImport[]
  readonly functions: number[]
  readonly tables: Limits[]
  readonly memories: Limits[]
  readonly globals: CoreGlobal[]
  readonly exports: CoreExport[]
  readonly bodies: [number, number][]
  start: number | null
  readonly elements: CoreElement[]
  dataCount: number
}

function each(
  what: string,
  read: (reader: ByteReader, draft: Draft) => void,
): (reader: ByteReader, draft: Draft) => void {
  return (reader, draft) => {
    for (let left = readCount(reader, maxItems, what); left > 0; left--) read(reader, draft)
  }
}

/** How each section is read (WebAssembly 5.5.2). Custom sections, 0, aren't. */
export const sectionReaders: Readonly<Record<number, (reader: ByteReader, draft: Draft) => void>> = {
  1: each('types', readRecursiveType),
  2: each('imports', readImport),
  3: each('functions', (reader, draft) => draft.functions.push(reader.uleb())),
  4: each('tables', readTable),
  5: each('memories', (reader, draft) => draft.memories.push(readLimits(reader, draft.features))),
  6: each('globals', readGlobal),
  7: each('exports', readExport),
  8: (reader, draft) => {
    draft.start = reader.uleb()
  },
  9: each('element segments', readElement),
  10: each('function bodies', readBody),
  11: each('data segments', readData),
  12: (reader, draft) => {
    reader.uleb()
    draft.features.add('bulk-memory')
  },
  13: each('tags', (reader, draft) => {
    reader.skip(1)
    reader.uleb()
    draft.features.add('exceptions')
  }),
}

function readRecursiveType(reader: ByteReader, draft: Draft): void {
  if (reader.peek() !== 0x4e) {
    readSubType(reader, draft)
    return
  }
  reader.u8()
  draft.features.add('gc')
  for (let left = readCount(reader, maxItems, 'types'); left > 0; left--) readSubType(reader, draft)
  if (draft.types.length > maxItems) throw reader.fail(`over ${maxItems} types`, 'bytes-too-long')
}

function readSubType(reader: ByteReader, draft: Draft): void {
  const form = reader.peek()
  if (form === 0x50 || form === 0x4f) {
    reader.u8()
    draft.features.add('gc')
    for (let left = readCount(reader, maxItems, 'supertypes'); left > 0; left--) reader.uleb()
  }
  const at = reader.at
  const kind = reader.u8()
  if (kind === 0x60) {
    const params = readValueTypes(reader, draft.features)
    const results = readValueTypes(reader, draft.features)
    if (results.length > 1) draft.features.add('multi-value')
    draft.types.push({ params, results })
    return
  }
  if (kind !== 0x5e && kind !== 0x5f) {
    throw reader.fail(`0x${kind.toString(16)} is no kind of type`, 'wasm-unsupported', at)
  }
  draft.features.add('gc')
  const fields = kind === 0x5f ? readCount(reader, maxItems, 'fields') : 1
  for (let left = fields; left > 0; left--) readFieldType(reader, draft.features)
  draft.types.push(null)
}

function readFieldType(reader: ByteReader, features: Features): void {
  const first = reader.peek()
  // Packed i8 and i16.
  if (first === 0x78 || first === 0x77) reader.u8()
  else readValueType(reader, features)
  reader.skip(1)
}

function readValueTypes(reader: ByteReader, features: Features): CoreValueType[] {
  const types: CoreValueType[] = []
  for (let left = readCount(reader, maxArity, 'values'); left > 0; left--) types.push(readValueType(reader, features))
  return types
}

function readKind(reader: ByteReader): CoreKind {
  const kind = kinds[reader.u8()]
  if (kind === undefined)
    throw reader.fail('an import or export is of an unknown kind', 'wasm-unsupported', reader.at - 1)
  return kind
}

function readImport(reader: ByteReader, draft: Draft): void {
  const module = readName(reader)
  const name = readName(reader)
  const descriptorAt = reader.at
  const kind = readKind(reader)
  let typeIndex: number | null = null
  let limits: Limits | null = null
  switch (kind) {
    case 'func':
      typeIndex = reader.uleb()
      draft.functions.push(typeIndex)
      break
    case 'table':
      readReferenceType(reader, draft.features)
      limits = readLimits(reader, draft.features)
      draft.tables.push(limits)
      break
    case 'memory':
      limits = readLimits(reader, draft.features)
      draft.memories.push(limits)
      break
    case 'global': {
      const global = readGlobalType(reader, draft.features)
      if (global.mutable) draft.features.add('mutable-globals')
      draft.globals.push({ ...global, constant: null })
      break
    }
    case 'tag':
      reader.skip(1)
      typeIndex = reader.uleb()
      draft.features.add('exceptions')
  }
  draft.imports.push({ module, name, kind, typeIndex, limits, descriptorAt, end: reader.at })
}

function readTable(reader: ByteReader, draft: Draft): void {
  // 0x40 0x00 begins a table with an initial element (WebAssembly 5.5.7).
  const initialised = reader.peek() === 0x40
  if (initialised) {
    reader.skip(2)
    draft.features.add('gc')
  }
  readReferenceType(reader, draft.features)
  draft.tables.push(readLimits(reader, draft.features))
  if (initialised) walkExpression(reader, draft.features)
}

function readGlobalType(reader: ByteReader, features: Features): { type: CoreValueType; mutable: boolean } {
  const type = readValueType(reader, features)
  const mutability = reader.u8()
  if (mutability > 1) throw reader.fail('a global is neither constant nor mutable', 'wasm-malformed', reader.at - 1)
  return { type, mutable: mutability === 1 }
}

function readGlobal(reader: ByteReader, draft: Draft): void {
  const { type, mutable } = readGlobalType(reader, draft.features)
  const at = reader.at
  walkExpression(reader, draft.features)
  draft.globals.push({ type, mutable, constant: type === 'i32' ? readI32Const(reader.bytes, at, reader.at) : null })
}

function readI32Const(bytes: Uint8Array, at: number, end: number): number | null {
  const reader = new ByteReader(bytes, 'core module', at, end)
  if (reader.u8() !== 0x41) return null
  const value = Number(reader.sleb(32)) >>> 0
  // One constant and the end; a sum of constants (extended-const) is not looked into.
  return reader.left === 1 ? value : null
}

function readExport(reader: ByteReader, draft: Draft): void {
  const at = reader.at
  const name = readName(reader)
  const kind = readKind(reader)
  const index = reader.uleb()
  const space = {
    func: draft.functions,
    table: draft.tables,
    memory: draft.memories,
    global: draft.globals,
    tag: null,
  }[kind]
  if (space !== null && index >= space.length) {
    throw reader.fail(
      `the export "${name}" names ${kind} ${index}, of which there are ${space.length}`,
      'wasm-malformed',
      at,
    )
  }
  if (kind === 'global' && draft.globals[index]!.mutable) draft.features.add('mutable-globals')
  draft.exports.push({ name, kind, index })
}

/** An element segment (WebAssembly 5.5.12): bit 0 passive or declarative, bit 1 a table index, bit 2 expressions in place of indices. */
function readElement(reader: ByteReader, draft: Draft): void {
  const flags = reader.uleb()
  if (flags > 7) throw reader.fail('an element segment is of an unknown kind', 'wasm-unsupported')
  const active = (flags & 1) === 0
  if (!active) draft.features.add('bulk-memory')
  const table = active && (flags & 2) !== 0 ? reader.uleb() : 0
  if (table !== 0) draft.features.add('reference-types')
  const at = reader.at
  if (active) walkExpression(reader, draft.features)
  const offset = active && table === 0 ? readI32Const(reader.bytes, at, reader.at) : null
  if ((flags & 3) !== 0) {
    if ((flags & 4) !== 0) readReferenceType(reader, draft.features)
    else reader.skip(1)
  }
  const count = readCount(reader, 10_000_000, 'elements')
  const funcs: number[] | null = (flags & 4) === 0 && count <= maxKnownElements ? [] : null
  for (let left = count; left > 0; left--) {
    if ((flags & 4) !== 0) walkExpression(reader, draft.features)
    else {
      const func = reader.uleb()
      funcs?.push(func)
    }
  }
  draft.elements.push({ offset, funcs })
}

function readBody(reader: ByteReader, draft: Draft): void {
  const body = reader.sub(reader.uleb())
  draft.bodies.push([body.at, body.end])
  for (let left = readCount(body, 100_000, 'groups of locals'); left > 0; left--) {
    body.uleb()
    readValueType(body, draft.features)
  }
  walkExpression(body, draft.features)
  if (!body.done) throw body.fail(`${body.left} bytes follow the end of a function`, 'wasm-malformed')
}

/** A data segment (WebAssembly 5.5.14). */
function readData(reader: ByteReader, draft: Draft): void {
  draft.dataCount++
  const flags = reader.uleb()
  if (flags > 2) throw reader.fail('a data segment is of an unknown kind', 'wasm-unsupported')
  if (flags === 1) draft.features.add('bulk-memory')
  if (flags === 2 && reader.uleb() !== 0) draft.features.add('multi-memory')
  if (flags !== 1) walkExpression(reader, draft.features)
  reader.skip(reader.uleb())
}
