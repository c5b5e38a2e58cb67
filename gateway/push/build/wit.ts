import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { type NamedType, primitiveTypes, type WitType } from '@hypha/core/wasm/types.ts'
import { type InterfaceSyntax, parseWit, type TypeDefSyntax, type TypeSyntax } from './wit-parser.ts'

/** A WIT interface with its types resolved, its names and its comments as the author wrote them. */
export interface WitInterface {
  /** `hypha:host/sensor@0.1.0` */
  readonly id: string
  /** `hypha:host` */
  readonly package: string
  /** `sensor` */
  readonly name: string
  readonly docs: string
  /** Types that the interface declares, in its order. Type aliases are not among them: they are replaced by what they stand for. */
  readonly types: readonly WitTypeDef[]
  /** Types of other interfaces that it uses, by the name that they have here. */
  readonly used: readonly {
    readonly as: string
    readonly name: string
    readonly from: string
    readonly type: WitType
  }[]
  readonly funcs: readonly WitFunc[]
}

export interface WitTypeDef {
  readonly name: string
  readonly docs: string
  readonly type: WitType
  /** Comments of fields, cases and flags, by name. */
  readonly memberDocs: ReadonlyMap<string, string>
}

export interface WitFunc {
  readonly name: string
  readonly docs: string
  readonly params: readonly NamedType[]
  readonly result: WitType | null
}

/** WIT files by the package that they belong to, and the interfaces in them. */
export interface WitFolder {
  readonly interfaces: readonly WitInterface[]
  /** Text that holds everything, each package in braces: what the component tools take. */
  readonly text: string
}

const primitives: ReadonlySet<string> = new Set(primitiveTypes)

/**
 * Reads all `*.wit` files of some folders (folders that don't exist hold none).
 *
 * @throws HyphaError `wit-invalid`, with file and line.
 */
export function loadWit(dirs: readonly string[]): WitFolder {
  const files = dirs.flatMap(witFiles)
  const texts = files.map((file) => ({ file, text: readFileSync(file, 'utf8') }))
  const syntax = texts.flatMap(({ file, text }) => parseWit(file, text))
  return { interfaces: resolveInterfaces(syntax), text: joinPackages(texts.map(({ text }) => text)) }
}

/** Paths of the `*.wit` files of a folder, sorted. */
function witFiles(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => name.endsWith('.wit'))
      .sort()
      .map((name) => join(dir, name))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw cause
  }
}

/** One text for all: it can hold several packages only in braces, each once. */
function joinPackages(texts: readonly string[]): string {
  const bodies = new Map<string, string>()
  let inBraces = ''
  for (const text of texts) {
    const declaration = /^[ \t]*package\s+([^;{]+);/m.exec(text)
    if (declaration === null) {
      inBraces += `${text}\n`
      continue
    }
    const name = declaration[1]!.trim()
    const rest = text.slice(0, declaration.index) + text.slice(declaration.index + declaration[0].length)
    bodies.set(name, `${bodies.get(name) ?? ''}${rest}\n`)
  }
  return inBraces + [...bodies].map(([name, body]) => `package ${name} {\n${body}}\n`).join('')
}

function resolveInterfaces(syntax: readonly InterfaceSyntax[]): WitInterface[] {
  const byId = new Map<string, InterfaceSyntax>()
  for (const item of syntax) {
    const id = idOf(item)
    if (byId.has(id)) throw new HyphaError('wit-invalid', `the interface ${id} stands twice`, { where: item.file })
    byId.set(id, item)
  }
  const scopes = new Map<string, Map<string, WitType>>()
  const resolver: Resolver = { byId, scopes, open: new Set() }
  return [...byId.keys()].map((id) => buildInterface(id, resolver))
}

const idOf = (item: InterfaceSyntax): string => `${item.package}/${item.name}${item.version}`

interface Resolver {
  readonly byId: ReadonlyMap<string, InterfaceSyntax>
  /** Types by name, per interface; each type is one object, so that its users can be told by identity. */
  readonly scopes: Map<string, Map<string, WitType>>
  /** Interfaces and types that are being resolved: meeting one again is a cycle. */
  readonly open: Set<string>
}

function buildInterface(id: string, resolver: Resolver): WitInterface {
  const syntax = resolver.byId.get(id)!
  const names = [...syntax.uses.flatMap((use) => use.names.map(({ as }) => as)), ...syntax.types, ...syntax.funcs].map(
    (item) => (typeof item === 'string' ? item : item.name),
  )
  const double = names.find((name, index) => names.indexOf(name) !== index)
  if (double !== undefined) {
    throw new HyphaError('wit-invalid', `the name ${double} stands twice in ${id}`, { where: syntax.file })
  }
  const scope = scopeOf(id, resolver)
  const type = (written: TypeSyntax | null): WitType | null =>
    written === null ? null : resolveType(written, syntax, scope)
  return {
    id,
    package: syntax.package,
    name: syntax.name,
    docs: syntax.docs,
    types: syntax.types
      .filter((def) => def.kind !== 'alias')
      .map((def) => ({
        name: def.name,
        docs: def.docs,
        type: scope.get(def.name)!,
        memberDocs: new Map(def.members.map((member) => [member.name, member.docs])),
      })),
    used: syntax.uses.flatMap((use) =>
      use.names.map(({ name, as }) => ({ as, name, from: absolute(use.from, syntax), type: scope.get(as)! })),
    ),
    funcs: syntax.funcs.map((func) => ({
      name: func.name,
      docs: func.docs,
      params: func.params.map((param) => ({ name: param.name, type: type(param.type)! })),
      result: type(func.result),
    })),
  }
}

/** A bare interface name in `use` means one of the same package. */
const absolute = (from: string, syntax: InterfaceSyntax): string =>
  from.includes('/') ? from : `${syntax.package}/${from}${syntax.version}`

function scopeOf(id: string, resolver: Resolver): Map<string, WitType> {
  const known = resolver.scopes.get(id)
  if (known !== undefined) return known
  const syntax = resolver.byId.get(id)!
  if (resolver.open.has(id)) throw new HyphaError('wit-invalid', `${id} uses itself`, { where: syntax.file })
  resolver.open.add(id)
  const scope = new Map<string, WitType>()
  for (const use of syntax.uses) {
    const from = absolute(use.from, syntax)
    const where = `${syntax.file}:${use.line}`
    if (!resolver.byId.has(from)) throw new HyphaError('wit-invalid', `there is no interface ${from}`, { where })
    const types = scopeOf(from, resolver)
    for (const { name, as } of use.names) {
      const type = types.get(name)
      if (type === undefined) throw new HyphaError('wit-invalid', `${from} has no type ${name}`, { where })
      scope.set(as, type)
    }
  }
  defineTypes(syntax, scope)
  resolver.scopes.set(id, scope)
  return scope
}

/** Types may be used before they are declared, but not by themselves: they are defined as others ask for them. */
function defineTypes(syntax: InterfaceSyntax, scope: Map<string, WitType>): void {
  const waiting = new Map(syntax.types.map((def) => [def.name, def]))
  const open = new Set<string>()
  const lookup: Lookup = {
    get(name) {
      const def = waiting.get(name)
      if (def !== undefined && !scope.has(name)) {
        if (open.has(name))
          throw new HyphaError('wit-invalid', `the type ${name} holds itself`, { where: `${syntax.file}:${def.line}` })
        open.add(name)
        scope.set(name, defineType(def, syntax, lookup))
      }
      return scope.get(name)
    },
  }
  for (const name of waiting.keys()) lookup.get(name)
}

interface Lookup {
  get(name: string): WitType | undefined
}

function defineType(def: TypeDefSyntax, syntax: InterfaceSyntax, scope: Lookup): WitType {
  const { name, members } = def
  switch (def.kind) {
    case 'alias':
      return resolveType(def.alias!, syntax, scope)
    case 'enum':
      return { kind: 'enum', name, cases: members.map((member) => member.name) }
    case 'flags':
      return { kind: 'flags', name, flags: members.map((member) => member.name) }
    case 'record':
      return {
        kind: 'record',
        name,
        fields: members.map((member) => ({ name: member.name, type: resolveType(member.type!, syntax, scope) })),
      }
    case 'variant':
      return {
        kind: 'variant',
        name,
        cases: members.map((member) => ({
          name: member.name,
          type: member.type === null ? null : resolveType(member.type, syntax, scope),
        })),
      }
  }
}

function resolveType(written: TypeSyntax, syntax: InterfaceSyntax, scope: Lookup): WitType {
  const resolve = (inner: TypeSyntax | null): WitType | null =>
    inner === null ? null : resolveType(inner, syntax, scope)
  switch (written.kind) {
    case 'list':
    case 'option':
      return { kind: written.kind, of: resolve(written.of)! }
    case 'result':
      return { kind: 'result', ok: resolve(written.ok), err: resolve(written.err) }
    case 'tuple':
      return { kind: 'tuple', items: written.items.map((item) => resolve(item)!) }
    case 'name': {
      const type = scope.get(written.name)
      if (type !== undefined) return type
      if (primitives.has(written.name)) return written.name as WitType
      throw new HyphaError('wit-invalid', `there is no type ${written.name}`, {
        where: `${syntax.file}:${written.line}`,
      })
    }
  }
}
