import { HyphaError } from '../errors.ts'
import { maxFuncs, maxInterfaces, maxMembers, maxTypeDepth, maxTypeNodes } from './caps.ts'
import { byName, isInterfaceName, isLabel } from './names.ts'
import {
  type FuncType,
  type InterfaceType,
  type NamedType,
  primitiveTypes,
  type VariantCase,
  type WitType,
  type World,
} from './types.ts'

// Types are written as one flat list of numbers and strings, the kind before its parts, because CBOR items here may only be 16 levels deep.
const compound = { list: 13, option: 14, result: 15, tuple: 16, record: 17, variant: 18, enum: 19, flags: 20 } as const

type Token = number | string

/** A world as a CBOR item: `[imports, exports]`, each a list of `[name, function, …]`, a function a flat list. */
export function worldToItem(world: World): unknown {
  return [world.imports, world.exports].map((side) =>
    side.map((item) => [item.name, ...item.funcs.map((func) => funcToItem(func, true))]),
  )
}

/**
 * An interface as a CBOR item that is equal for equal interfaces: functions sorted, without the names of types and parameters, which
 * change nothing of what crosses.
 */
export function interfaceDigestItem(item: InterfaceType): unknown {
  return [item.name, ...[...item.funcs].sort(byName).map((func) => funcToItem(func, false))]
}

/** The same of one function. */
export const funcDigestItem = (func: FuncType): unknown => funcToItem(func, false)

function funcToItem(func: FuncType, names: boolean): Token[] {
  const tokens: Token[] = [func.name, func.params.length]
  for (const { name, type } of func.params) {
    if (names) tokens.push(name)
    writeType(tokens, type, names)
  }
  writeOptional(tokens, func.result, names)
  return tokens
}

function writeOptional(tokens: Token[], type: WitType | null, names: boolean): void {
  tokens.push(type === null ? 0 : 1)
  if (type !== null) writeType(tokens, type, names)
}

function writeType(tokens: Token[], type: WitType, names: boolean): void {
  if (typeof type === 'string') {
    tokens.push(primitiveTypes.indexOf(type))
    return
  }
  tokens.push(compound[type.kind])
  switch (type.kind) {
    case 'list':
    case 'option':
      writeType(tokens, type.of, names)
      break
    case 'result':
      writeOptional(tokens, type.ok, names)
      writeOptional(tokens, type.err, names)
      break
    case 'tuple':
      tokens.push(type.items.length)
      for (const item of type.items) writeType(tokens, item, names)
      break
    case 'record':
      if (names) tokens.push(type.name ?? '')
      tokens.push(type.fields.length)
      for (const field of type.fields) {
        tokens.push(field.name)
        writeType(tokens, field.type, names)
      }
      break
    case 'variant':
      if (names) tokens.push(type.name ?? '')
      tokens.push(type.cases.length)
      for (const { name, type: payload } of type.cases) {
        tokens.push(name)
        writeOptional(tokens, payload, names)
      }
      break
    case 'enum':
      if (names) tokens.push(type.name ?? '')
      tokens.push(type.cases.length, ...type.cases)
      break
    case 'flags':
      if (names) tokens.push(type.name ?? '')
      tokens.push(type.flags.length, ...type.flags)
  }
}

/**
 * The world of an item that `worldToItem` made. Everything is checked: names, order, counts, and the size of types.
 *
 * @throws HyphaError `message-malformed`, naming the part under `path`.
 */
export function worldFromItem(item: unknown, path: string): World {
  if (!Array.isArray(item) || item.length !== 2) throw malformed(path, 'should be a list of imports and exports')
  return {
    imports: interfacesFromItem(item[0], `${path}.imports`),
    exports: interfacesFromItem(item[1], `${path}.exports`),
  }
}

function interfacesFromItem(item: unknown, path: string): InterfaceType[] {
  if (!Array.isArray(item) || item.length > maxInterfaces) {
    throw malformed(path, `should be a list of at most ${maxInterfaces} interfaces`)
  }
  const interfaces = item.map((entry: unknown, index): InterfaceType => {
    const where = `${path}[${index}]`
    if (!Array.isArray(entry) || typeof entry[0] !== 'string' || !isInterfaceName(entry[0])) {
      throw malformed(where, 'should be a list that begins with the name of an interface')
    }
    if (entry.length > maxFuncs) throw malformed(where, `has more than ${maxFuncs} functions`)
    const funcs = entry.slice(1).map((func: unknown, number) => funcFromItem(func, `${where}.${number}`))
    checkOrder(funcs, where)
    return { name: entry[0], funcs }
  })
  checkOrder(interfaces, path)
  return interfaces
}

/** One order only, so that a world has one form. It also finds names that stand twice. */
function checkOrder(named: readonly { readonly name: string }[], path: string): void {
  for (let index = 1; index < named.length; index++) {
    if (byName(named[index - 1]!, named[index]!) >= 0)
      throw malformed(path, `is not sorted by name at "${named[index]!.name}"`)
  }
}

function funcFromItem(item: unknown, path: string): FuncType {
  if (!Array.isArray(item)) throw malformed(path, 'should be a function: a list')
  const reader = new TokenReader(item, path)
  const name = reader.label()
  const params: NamedType[] = []
  for (let left = reader.count(); left > 0; left--) params.push({ name: reader.label(), type: reader.type(1) })
  const result = reader.optional(1)
  reader.end()
  return { name, params, result }
}

/** Reads the flat form back. */
class TokenReader {
  readonly #tokens: readonly unknown[]
  readonly #path: string
  #at = 0
  #nodes = 0

  constructor(tokens: readonly unknown[], path: string) {
    this.#tokens = tokens
    this.#path = path
  }

  #fail(message: string): HyphaError {
    return malformed(`${this.#path}[${this.#at - 1}]`, message)
  }

  #int(max: number, what: string): number {
    const token = this.#tokens[this.#at++]
    if (typeof token !== 'number' || !Number.isInteger(token) || token < 0 || token > max)
      throw this.#fail(`should be ${what}`)
    return token
  }

  /** A count that the rest of the list can hold. */
  count(min = 0): number {
    const count = this.#int(maxMembers, `a count up to ${maxMembers}`)
    if (count < min || count > this.#tokens.length - this.#at)
      throw this.#fail(`counts ${count} parts, which aren't there`)
    return count
  }

  label(): string {
    const token = this.#tokens[this.#at++]
    if (typeof token !== 'string' || !isLabel(token)) throw this.#fail('should be a kebab-case name')
    return token
  }

  #typeName(): { name?: string } {
    if (this.#tokens[this.#at] !== '') return { name: this.label() }
    this.#at++
    return {}
  }

  /** Labels of one type differ in more than case. */
  #labels<T>(min: number, read: (label: string) => T): T[] {
    const taken = new Set<string>()
    const parts: T[] = []
    for (let left = this.count(min); left > 0; left--) {
      const label = this.label()
      const folded = label.toLowerCase()
      if (taken.has(folded)) throw this.#fail(`"${label}" stands twice`)
      taken.add(folded)
      parts.push(read(label))
    }
    return parts
  }

  optional(depth: number): WitType | null {
    return this.#int(1, '0 or 1') === 1 ? this.type(depth) : null
  }

  type(depth: number): WitType {
    if (depth > maxTypeDepth) throw this.#fail(`is nested deeper than ${maxTypeDepth}`)
    if (++this.#nodes > maxTypeNodes) throw this.#fail(`is part of a type of more than ${maxTypeNodes} parts`)
    const kind = this.#int(20, 'a kind of type')
    const primitive = primitiveTypes[kind]
    return primitive ?? this.#compound(kind, depth + 1)
  }

  #compound(kind: number, depth: number): WitType {
    switch (kind) {
      case compound.list:
        return { kind: 'list', of: this.type(depth) }
      case compound.option:
        return { kind: 'option', of: this.type(depth) }
      case compound.result:
        return { kind: 'result', ok: this.optional(depth), err: this.optional(depth) }
      case compound.tuple: {
        const items: WitType[] = []
        for (let left = this.count(1); left > 0; left--) items.push(this.type(depth))
        return { kind: 'tuple', items }
      }
      case compound.record: {
        const name = this.#typeName()
        return {
          kind: 'record',
          ...name,
          fields: this.#labels(1, (label): NamedType => ({ name: label, type: this.type(depth) })),
        }
      }
      case compound.variant: {
        const name = this.#typeName()
        const cases = this.#labels(1, (label): VariantCase => ({ name: label, type: this.optional(depth) }))
        return { kind: 'variant', ...name, cases }
      }
      case compound.enum:
        return { kind: 'enum', ...this.#typeName(), cases: this.#labels(1, (label) => label) }
      default: {
        const name = this.#typeName()
        const flags = this.#labels(1, (label) => label)
        if (flags.length > 32) throw this.#fail('ends a type of more than 32 flags')
        return { kind: 'flags', ...name, flags }
      }
    }
  }

  end(): void {
    if (this.#at !== this.#tokens.length)
      throw malformed(this.#path, `has ${this.#tokens.length - this.#at} parts too many`)
  }
}

function malformed(path: string, message: string): HyphaError {
  return new HyphaError('message-malformed', `${path} ${message}`, { where: path })
}
