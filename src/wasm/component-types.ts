import type { ByteReader } from '../bytes/reader.ts'
import type { HyphaError } from '../errors.ts'
import { maxMembers, maxTypeDepth, maxTypeNodes } from './caps.ts'
import { readCount, readName } from './core-types.ts'
import { isLabel } from './names.ts'
import type { FuncType, NamedType, VariantCase, WitType } from './types.ts'

/** A type that can cross by value, with its size as a tree. */
interface ValueDef {
  readonly sort: 'value'
  readonly type: WitType
  readonly nodes: number
  readonly depth: number
}

/** A type that cannot cross by value: `what` says which, for the refusal. */
interface InexpressibleDef {
  readonly sort: 'inexpressible'
  readonly what: string
}

export interface FuncDef {
  readonly sort: 'func'
  readonly params: readonly NamedType[]
  readonly result: WitType | null
  /** The size of its types as trees. */
  readonly nodes: number
  /** What of it cannot cross by value; null where it can as a whole. */
  readonly inexpressible: string | null
}

export interface ResourceDef {
  readonly sort: 'resource'
  readonly name: string
}

export interface InstanceDef {
  readonly sort: 'instance'
  readonly exports: ReadonlyMap<string, Extern>
}

export interface ComponentDef {
  readonly sort: 'component'
  readonly exports: ReadonlyMap<string, Extern>
}

export type TypeDef = ValueDef | InexpressibleDef | FuncDef | ResourceDef | InstanceDef | ComponentDef

/** What an import or export is. */
export type Extern =
  | { readonly sort: 'func'; readonly def: FuncDef }
  | { readonly sort: 'type'; readonly def: TypeDef }
  | { readonly sort: 'instance'; readonly def: InstanceDef }
  | { readonly sort: 'component'; readonly def: ComponentDef }
  | { readonly sort: 'module' }

/** The type indices of a component, component type or instance type, and those around it for `outer` aliases. */
export interface TypeScope {
  readonly outer: TypeScope | null
  readonly types: TypeDef[]
  /** Only what instance types and components declare and alias by index. */
  readonly instances: { readonly def: InstanceDef }[]
}

const primitives: Readonly<Record<number, WitType>> = {
  127: 'bool',
  126: 's8',
  125: 'u8',
  124: 's16',
  123: 'u16',
  122: 's32',
  121: 'u32',
  120: 's64',
  119: 'u64',
  118: 'f32',
  117: 'f64',
  116: 'char',
  115: 'string',
}

export const unsupported = (reader: ByteReader, message: string, at = reader.at): HyphaError =>
  reader.fail(message, 'component-unsupported', at)

export const malformed = (reader: ByteReader, message: string, at = reader.at): HyphaError =>
  reader.fail(message, 'component-malformed', at)

/** The item of an index space; an index beyond it is an error. */
export function item<T>(reader: ByteReader, space: readonly T[], index: number, what: string): T {
  const found = space[index]
  if (found === undefined) throw malformed(reader, `${what} ${index} is not defined: there are ${space.length}`)
  return found
}

const value = (type: WitType, nodes: number, depth: number): ValueDef => ({ sort: 'value', type, nodes, depth })

/** Collects the members of a compound type: their size, and the first that cannot cross. */
class Members {
  readonly labels = new Set<string>()
  readonly #reader: ByteReader
  nodes = 1
  #depth = 0
  inexpressible: InexpressibleDef | null = null

  constructor(reader: ByteReader) {
    this.#reader = reader
  }

  add(def: ValueDef | InexpressibleDef): WitType {
    if (def.sort === 'inexpressible') {
      this.inexpressible ??= def
      return 'bool'
    }
    this.nodes += def.nodes
    this.#depth = Math.max(this.#depth, def.depth)
    if (this.nodes > maxTypeNodes || this.#depth >= maxTypeDepth) {
      throw unsupported(this.#reader, `a type has more than ${maxTypeNodes} parts or ${maxTypeDepth} levels`)
    }
    return def.type
  }

  label(): void {
    this.nodes++
  }

  finish(type: WitType): ValueDef | InexpressibleDef {
    return this.inexpressible ?? value(type, this.nodes, this.#depth + 1)
  }
}

/** Reads a `valtype`: a primitive, or the index of a defined type. */
export function readValType(reader: ByteReader, scope: TypeScope): ValueDef | InexpressibleDef {
  const at = reader.at
  const first = reader.peek()
  if (first >= 0x40 && first < 0x80) {
    reader.u8()
    const primitive = primitives[first]
    if (primitive !== undefined) return value(primitive, 1, 1)
    if (first === 0x64) return { sort: 'inexpressible', what: 'an error-context' }
    throw unsupported(reader, `the type 0x${first.toString(16)} is unknown`, at)
  }
  const def = item(reader, scope.types, Number(reader.sleb(33)), 'type')
  if (def.sort === 'value' || def.sort === 'inexpressible') return def
  if (def.sort === 'resource') return { sort: 'inexpressible', what: `the resource ${def.name}` }
  throw malformed(reader, `a ${def.sort} type stands where a value type is needed`, at)
}

function optional<T>(reader: ByteReader, read: () => T): T | null {
  const present = reader.u8()
  if (present > 1) throw malformed(reader, 'an optional part is neither absent nor present', reader.at - 1)
  return present === 1 ? read() : null
}

/** Reads a label that must differ from those in `taken` in more than case. */
function readLabel(reader: ByteReader, taken: Set<string>): string {
  const at = reader.at
  const label = readName(reader)
  if (!isLabel(label)) {
    throw malformed(reader, `${JSON.stringify(label.slice(0, 80))} is no kebab-case name`, at)
  }
  const folded = label.toLowerCase()
  if (taken.has(folded)) throw malformed(reader, `"${label}" stands twice`, at)
  taken.add(folded)
  return label
}

function readHandle(reader: ByteReader, scope: TypeScope, form: string): InexpressibleDef {
  const def = item(reader, scope.types, reader.uleb(), 'type')
  const name = def.sort === 'resource' ? def.name : 'unknown'
  return { sort: 'inexpressible', what: `the handle ${form}<${name}>` }
}

/** Reads a `defvaltype` whose first byte, `code`, has been read. Null if `code` begins none. */
export function readDefValType(reader: ByteReader, scope: TypeScope, code: number): ValueDef | InexpressibleDef | null {
  const primitive = primitives[code]
  if (primitive !== undefined) return value(primitive, 1, 1)
  const members = new Members(reader)
  const member = (): WitType => members.add(readValType(reader, scope))
  switch (code) {
    case 0x72: {
      const fields: NamedType[] = []
      for (let left = readMembers(reader); left > 0; left--)
        fields.push({ name: readLabel(reader, members.labels), type: member() })
      return members.finish({ kind: 'record', fields })
    }
    case 0x71: {
      const cases: VariantCase[] = []
      for (let left = readMembers(reader); left > 0; left--) {
        members.label()
        cases.push({ name: readLabel(reader, members.labels), type: optional(reader, member) })
        if (reader.u8() !== 0) throw unsupported(reader, 'a case refines another', reader.at - 1)
      }
      return members.finish({ kind: 'variant', cases })
    }
    case 0x70:
      return members.finish({ kind: 'list', of: member() })
    case 0x6f: {
      const items: WitType[] = []
      for (let left = readMembers(reader); left > 0; left--) items.push(member())
      return members.finish({ kind: 'tuple', items })
    }
    case 0x6e: {
      const flags = readLabels(reader, members)
      if (flags.length > 32) throw unsupported(reader, `${flags.length} flags are over the 32 of the component model`)
      return members.finish({ kind: 'flags', flags })
    }
    case 0x6d:
      return members.finish({ kind: 'enum', cases: readLabels(reader, members) })
    case 0x6b:
      return members.finish({ kind: 'option', of: member() })
    case 0x6a:
      return members.finish({ kind: 'result', ok: optional(reader, member), err: optional(reader, member) })
    case 0x69:
      return readHandle(reader, scope, 'own')
    case 0x68:
      return readHandle(reader, scope, 'borrow')
    case 0x67:
      member()
      reader.uleb()
      return { sort: 'inexpressible', what: 'a list of fixed length' }
    case 0x66:
    case 0x65:
      optional(reader, member)
      return { sort: 'inexpressible', what: code === 0x66 ? 'a stream' : 'a future' }
    case 0x64:
      return { sort: 'inexpressible', what: 'an error-context' }
    case 0x63:
      member()
      member()
      return { sort: 'inexpressible', what: 'a map' }
    default:
      return null
  }
}

function readMembers(reader: ByteReader): number {
  const count = readCount(reader, maxMembers, 'parts of a type')
  if (count === 0) throw malformed(reader, 'a type has no parts')
  return count
}

function readLabels(reader: ByteReader, members: Members): string[] {
  const labels: string[] = []
  for (let left = readMembers(reader); left > 0; left--) {
    members.label()
    labels.push(readLabel(reader, members.labels))
  }
  return labels
}

/** Reads a `functype` after its first byte. */
export function readFuncDef(reader: ByteReader, scope: TypeScope, isAsync: boolean): FuncDef {
  const members = new Members(reader)
  const params: NamedType[] = []
  for (let left = readCount(reader, maxMembers, 'parameters'); left > 0; left--) {
    params.push({ name: readLabel(reader, members.labels), type: members.add(readValType(reader, scope)) })
  }
  let result: WitType | null = null
  const form = reader.u8()
  if (form === 0) result = members.add(readValType(reader, scope))
  else if (form !== 1) throw malformed(reader, 'a function has an unknown form of results', reader.at - 1)
  else if (reader.u8() !== 0) throw unsupported(reader, 'a function has several results with names', reader.at - 1)
  const inexpressible = isAsync ? 'an async function' : (members.inexpressible?.what ?? null)
  return { sort: 'func', params, result, nodes: members.nodes, inexpressible }
}

/** The type under its exported name: `record r { … }` is a nameless record in the binary, and its name that of the export. */
export function nameType(extern: Extern, name: string): Extern {
  return extern.sort === 'type' ? { sort: 'type', def: named(extern.def, name) } : extern
}

function named(def: TypeDef, name: string): TypeDef {
  if (def.sort === 'resource') return { sort: 'resource', name }
  if (def.sort !== 'value' || typeof def.type === 'string') return def
  const { type } = def
  if (type.kind !== 'record' && type.kind !== 'variant' && type.kind !== 'enum' && type.kind !== 'flags') return def
  return type.name === undefined ? { ...def, type: { ...type, name } } : def
}

/** The function as `InterfaceType` lists it; null where a part of it cannot cross by value. */
export function toFuncType(name: string, def: FuncDef): FuncType | null {
  return def.inexpressible === null ? { name, params: def.params, result: def.result } : null
}
