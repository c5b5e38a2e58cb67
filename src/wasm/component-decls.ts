import type { ByteReader } from '../bytes/reader.ts'
import {
  type ComponentDef,
  type Extern,
  type InstanceDef,
  item,
  malformed,
  nameType,
  readDefValType,
  readFuncDef,
  readValType,
  type TypeDef,
  type TypeScope,
  unsupported,
} from './component-types.ts'
import { readCount, readName } from './core-types.ts'

/** Component and instance types nested deeper than this are refused. */
const maxScopes = 16
const maxDeclarations = 50_000

/** Reads one `deftype` (component model, Binary, "Type Definitions"). */
export function readTypeDef(reader: ByteReader, scope: TypeScope): TypeDef {
  const at = reader.at
  const code = reader.u8()
  switch (code) {
    case 0x40:
    case 0x43:
      return readFuncDef(reader, scope, code === 0x43)
    case 0x41:
      return { sort: 'component', exports: readDeclarations(reader, scope, 'component') } satisfies ComponentDef
    case 0x42:
      return { sort: 'instance', exports: readDeclarations(reader, scope, 'instance') } satisfies InstanceDef
    case 0x3f: {
      reader.skip(1)
      if (reader.u8() === 1) reader.uleb()
      return { sort: 'resource', name: 'of its own' }
    }
    default: {
      const def = readDefValType(reader, scope, code)
      if (def === null) throw unsupported(reader, `the type 0x${code.toString(16)} is unknown`, at)
      return def
    }
  }
}

function readDeclarations(reader: ByteReader, outer: TypeScope, kind: 'component' | 'instance'): Map<string, Extern> {
  const scope: TypeScope = { outer, types: [], instances: [] }
  checkDepth(reader, scope)
  const exports = new Map<string, Extern>()
  for (let left = readCount(reader, maxDeclarations, 'declarations'); left > 0; left--) {
    const at = reader.at
    const form = reader.u8()
    if (form === 0x01) scope.types.push(readTypeDef(reader, scope))
    else if (form === 0x02) readTypeAlias(reader, scope)
    else if (form === 0x03 && kind === 'component') {
      const name = readExternName(reader)
      declare(scope, readExternType(reader, scope, name))
    } else if (form === 0x04) {
      const name = readExternName(reader)
      const extern = nameType(readExternType(reader, scope, name), name)
      declare(scope, extern)
      exports.set(name, extern)
    } else throw unsupported(reader, `the declaration 0x${form.toString(16)} is unknown`, at)
  }
  return exports
}

function checkDepth(reader: ByteReader, scope: TypeScope): void {
  let depth = 0
  for (let outer = scope.outer; outer !== null; outer = outer.outer) depth++
  if (depth > maxScopes) throw unsupported(reader, `types are nested deeper than ${maxScopes}`)
}

/** An export or import adds to the index space of its sort; a type gets a new index. */
function declare(scope: TypeScope, extern: Extern): void {
  if (extern.sort === 'type') scope.types.push(extern.def)
  else if (extern.sort === 'instance') scope.instances.push({ def: extern.def })
}

/** An alias inside a type: of a type or an instance, from an instance or from outside. */
function readTypeAlias(reader: ByteReader, scope: TypeScope): void {
  const at = reader.at
  const sort = reader.u8()
  const target = reader.u8()
  if (target === 0x00) {
    const instance = item(reader, scope.instances, reader.uleb(), 'instance')
    const extern = exportOf(reader, instance.def, readName(reader))
    if (sort === 0x03 && extern.sort === 'type') scope.types.push(extern.def)
    else if (sort === 0x05 && extern.sort === 'instance') scope.instances.push({ def: extern.def })
    else throw unsupported(reader, 'an alias in a type is neither of a type nor of an instance', at)
  } else if (sort === 0x03 && target === 0x02) scope.types.push(readOuterType(reader, scope))
  else throw unsupported(reader, `the alias 0x${sort.toString(16)} 0x${target.toString(16)} is unknown`, at)
}

export function exportOf(reader: ByteReader, instance: InstanceDef, name: string): Extern {
  const extern = instance.exports.get(name)
  if (extern === undefined) throw malformed(reader, `an instance has no export "${name}"`)
  return extern
}

/** The type that an `outer` alias names: so many scopes outwards, and an index there. */
export function readOuterType(reader: ByteReader, scope: TypeScope): TypeDef {
  const count = reader.uleb()
  let target: TypeScope | null = scope
  for (let step = 0; step < count && target !== null; step++) target = target.outer
  if (target === null) throw malformed(reader, `an alias names the scope ${count} outwards, which there isn't`)
  return item(reader, target.types, reader.uleb(), 'type')
}

/** The name of an import or export, with its attributes passed over. */
export function readExternName(reader: ByteReader): string {
  const at = reader.at
  const form = reader.u8()
  if (form > 2) throw unsupported(reader, `the form of name 0x${form.toString(16)} is unknown`, at)
  const name = readName(reader)
  if (form === 2) {
    for (let left = readCount(reader, 16, 'attributes of a name'); left > 0; left--) {
      reader.u8()
      readName(reader)
    }
  }
  return name
}

/** Reads an `externtype`; a resource takes the name that it is imported or exported under. */
export function readExternType(reader: ByteReader, scope: TypeScope, name: string): Extern {
  const at = reader.at
  const sort = reader.u8()
  switch (sort) {
    case 0x00:
      if (reader.u8() !== 0x11) throw malformed(reader, 'only core modules can be imported and exported', at)
      reader.uleb()
      return { sort: 'module' }
    case 0x01:
      return { sort: 'func', def: typeOf(reader, scope, 'func') }
    case 0x02:
      if (reader.u8() === 0) reader.uleb()
      else readValType(reader, scope)
      throw unsupported(reader, `"${name}" is a value`, at)
    case 0x03: {
      const bound = reader.u8()
      if (bound === 0x00) return { sort: 'type', def: item(reader, scope.types, reader.uleb(), 'type') }
      if (bound === 0x01) return { sort: 'type', def: { sort: 'resource', name } }
      throw unsupported(reader, `the bound of a type 0x${bound.toString(16)} is unknown`, at)
    }
    case 0x04:
      return { sort: 'component', def: typeOf(reader, scope, 'component') }
    case 0x05:
      return { sort: 'instance', def: typeOf(reader, scope, 'instance') }
    default:
      throw unsupported(reader, `the sort 0x${sort.toString(16)} is unknown`, at)
  }
}

function typeOf<S extends TypeDef['sort']>(
  reader: ByteReader,
  scope: TypeScope,
  sort: S,
): Extract<TypeDef, { sort: S }> {
  const def = item(reader, scope.types, reader.uleb(), 'type')
  if (def.sort !== sort) throw malformed(reader, `a ${def.sort} type stands where a ${sort} type is needed`)
  return def as Extract<TypeDef, { sort: S }>
}
