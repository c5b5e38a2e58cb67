import type { WitType } from '@hypha/core/wasm/types.ts'
import { isNullable, type TypeNames, valueName } from './assemblyscript-types.ts'
import {
  casesOf,
  type FlatType,
  flagBytes,
  flatten,
  flattenCases,
  layoutOf,
  offsetsOf,
  partsOf,
  payloadOf,
  tagBytes,
} from './flat.ts'

const unsigned = { 1: 'u8', 2: 'u16', 4: 'u32' } as const

/** The case names of anything laid out as a variant, and the expressions that tell and take them apart. */
interface VariantAccess {
  /** The tag of a value. */
  tag(value: string): string
  /** The payload of a value whose tag is `index`. */
  payload(value: string, index: number): string
  /** A value of the case `index`. */
  make(index: number, payload: string | null): string
}

/**
 * Writes AssemblyScript that moves values between the language and the canonical ABI. Statements go to the list that is
 * being written; helpers for types in memory are made once each and collected in `helpers`.
 */
export class AbiWriter {
  readonly helpers: string[] = []
  readonly #names: TypeNames
  readonly #made = new Map<string, string>()
  #counter = 0

  constructor(names: TypeNames) {
    this.#names = names
  }

  /** A name that nothing else in the file has. */
  local(): string {
    return `$${this.#counter++}`
  }

  /** A statement that writes `value` to memory at the expression `at`. */
  store(type: WitType, value: string, at: string): string {
    if (type === 'string') return `$.putString(${at}, ${value});`
    if (isBytes(type)) return `$.putBytes(${at}, ${value});`
    const scalar = this.#scalar(type)
    if (scalar !== null) return `$.put<${scalar}>(${at}, <${scalar}>${value});`
    return `${this.#helper('store', type)}(${at}, ${value});`
  }

  /** An expression that reads a value from memory at the expression `at`. */
  load(type: WitType, at: string): string {
    if (type === 'string') return `$.getString(${at})`
    if (isBytes(type)) return `$.getBytes(${at})`
    const scalar = this.#scalar(type)
    if (scalar !== null) return `<${this.#names.of(type)}>$.get<${scalar}>(${at})`
    return `${this.#helper('load', type)}(${at})`
  }

  /** Expressions of the core values that `value` becomes; what must be computed before goes to `out`. */
  lower(type: WitType, value: string, out: string[]): string[] {
    if (type === 'string') {
      const [bytes, at] = [this.local(), this.local()]
      out.push(`const ${bytes} = $.utf8Length(${value});`, `const ${at} = $.lowerString(${value}, ${bytes});`)
      return [`<i32>${at}`, bytes]
    }
    if (isBytes(type)) return [`<i32>${value}.dataStart`, `${value}.length`]
    if (this.#scalar(type) !== null) return [`<${flatten(type)[0]!}>${value}`]
    if (typeof type !== 'string' && type.kind === 'list') {
      return [`<i32>${this.#helper('lower', type)}(${value})`, `${value}.length`]
    }
    const parts = partsOf(type)
    if (parts !== null) {
      return parts.flatMap((part, index) => this.lower(part, `${value}.${this.#partName(type, index)}`, out))
    }
    return this.#lowerVariant(type, value, out)
  }

  #lowerVariant(type: WitType, value: string, out: string[]): string[] {
    const cases = casesOf(type)!
    const access = this.#access(type)
    const tag = this.local()
    const joined = flattenCases(cases)
    const slots = joined.map(() => this.local())
    out.push(`const ${tag}: i32 = ${access.tag(value)};`)
    for (const [index, slot] of slots.entries()) out.push(`let ${slot}: ${joined[index]!} = 0;`)
    for (const [index, item] of cases.entries()) {
      if (item === null) continue
      const inner: string[] = []
      const payload = this.local()
      const flat = flatten(item)
      const values = this.lower(item, payload, inner)
      out.push(
        `if (${tag} == ${index}) {`,
        `const ${payload} = ${access.payload(value, index)};`,
        ...inner,
        ...values.map((from, place) => `${slots[place]!} = ${widen(from, flat[place]!, joined[place]!)};`),
        '}',
      )
    }
    return [tag, ...slots]
  }

  /** An expression of the value that core values (expressions without effects) stand for. */
  lift(type: WitType, flat: readonly string[], out: string[]): string {
    const [first, second] = flat as [string, string]
    if (type === 'string') return `$.liftString(<usize>${first}, ${second})`
    if (isBytes(type)) return `$.liftBytes(<usize>${first}, ${second})`
    if (type === 'bool') return `${first} != 0`
    if (this.#scalar(type) !== null) return `<${this.#names.of(type)}>${first}`
    if (typeof type !== 'string' && type.kind === 'list')
      return `${this.#helper('lift', type)}(<usize>${first}, ${second})`
    const parts = partsOf(type)
    if (parts === null) return this.#liftVariant(type, flat, out)
    let at = 0
    const values = parts.map((part) => {
      const count = flatten(part).length
      at += count
      return this.lift(part, flat.slice(at - count, at), out)
    })
    return `new ${this.#names.of(type)}(${values.join(', ')})`
  }

  #liftVariant(type: WitType, flat: readonly string[], out: string[]): string {
    const cases = casesOf(type)!
    const access = this.#access(type)
    const joined = flattenCases(cases)
    const result = this.local()
    const [tag, ...slots] = flat as [string, ...string[]]
    out.push(`let ${result}: ${this.#names.of(type)};`)
    for (const [index, item] of cases.entries()) {
      const inner: string[] = []
      const last = index === cases.length - 1
      const narrowed = item === null ? [] : flatten(item).map((to, place) => narrow(slots[place]!, joined[place]!, to))
      const value = access.make(index, item === null ? null : this.lift(item, narrowed, inner))
      out.push(
        `${index === 0 ? '' : 'else '}${last ? '' : `if (${tag} == ${index}) `}{`,
        ...inner,
        `${result} = ${value};`,
        '}',
      )
    }
    return result
  }

  /** The AssemblyScript type by which a scalar lies in memory; null for what is more than a scalar. */
  #scalar(type: WitType): string | null {
    if (typeof type === 'string') return type === 'string' ? null : type === 'bool' ? 'u8' : this.#names.of(type)
    if (type.kind === 'enum') return unsigned[tagBytes(type.cases.length)]
    return type.kind === 'flags' ? unsigned[flagBytes(type.flags.length)] : null
  }

  #partName(type: WitType, index: number): string {
    if (typeof type !== 'string' && type.kind === 'record') return valueName(type.fields[index]!.name)
    return `item${index}`
  }

  #access(type: WitType): VariantAccess {
    const name = this.#names.of(type)
    if (typeof type === 'string') throw new TypeError(`${type} has no cases`)
    switch (type.kind) {
      case 'option':
        if (!isNullable(type.of)) {
          return {
            tag: (value) => `i32(${value}.isSome)`,
            payload: (value) => `${value}.value`,
            make: (index, payload) =>
              `new ${name}(${index === 1}, ${payload ?? `$.none<${this.#names.of(type.of)}>()`})`,
          }
        }
        return {
          tag: (value) => `i32(${value} !== null)`,
          payload: (value) => `${value}!`,
          make: (_, payload) => payload ?? 'null',
        }
      case 'result': {
        const [ok, err] = [this.#names.orUnit(type.ok), this.#names.orUnit(type.err)]
        return {
          tag: (value) => `i32(!${value}.isOk)`,
          payload: (value, index) => `${value}.${index === 0 ? 'value' : 'error'}`,
          make: (index, payload) =>
            index === 0
              ? `new ${name}(true, ${payload ?? '0'}, $.none<${err}>())`
              : `new ${name}(false, $.none<${ok}>(), ${payload ?? '0'})`,
        }
      }
      case 'variant':
        return {
          tag: (value) => `${value}.tag`,
          payload: (value, index) => `${value}.${valueName(type.cases[index]!.name)}`,
          make: (index, payload) => `${name}.${valueName(type.cases[index]!.name)}(${payload ?? ''})`,
        }
      default:
        throw new TypeError(`${type.kind} has no cases`)
    }
  }

  #helper(verb: 'store' | 'load' | 'lower' | 'lift', type: WitType): string {
    const key = `${verb} ${this.#names.of(type)}`
    const known = this.#made.get(key)
    if (known !== undefined) return known
    const name = `${verb}$${this.#made.size}`
    this.#made.set(key, name)
    this.helpers.push(this.#helperText(verb, type, name))
    return name
  }

  #helperText(verb: 'store' | 'load' | 'lower' | 'lift', type: WitType, name: string): string {
    const as = this.#names.of(type)
    if (verb === 'lower' || verb === 'lift')
      return this.#listHelper(verb, (type as Extract<WitType, { kind: 'list' }>).of, as, name)
    const body = verb === 'store' ? this.#storeBody(type) : this.#loadBody(type)
    const head =
      verb === 'store' ? `function ${name}(at: usize, value: ${as}): void {` : `function ${name}(at: usize): ${as} {`
    return [head, ...body.map((line) => `  ${line}`), '}'].join('\n')
  }

  #listHelper(verb: 'lower' | 'lift', of: WitType, as: string, name: string): string {
    const { size } = layoutOf(of)
    if (verb === 'lower') {
      return [
        `function ${name}(items: ${as}): usize {`,
        `  const block = $.scratch(items.length * ${size});`,
        `  for (let index = 0; index < items.length; index++) {`,
        `    ${this.store(of, 'items[index]', `block + index * ${size}`)}`,
        '  }',
        '  return block;',
        '}',
      ].join('\n')
    }
    return [
      `function ${name}(at: usize, length: i32): ${as} {`,
      `  const items = new ${as}();`,
      `  for (let index = 0; index < length; index++) items.push(${this.load(of, `at + index * ${size}`)});`,
      '  return items;',
      '}',
    ].join('\n')
  }

  #storeBody(type: WitType): string[] {
    if (typeof type !== 'string' && type.kind === 'list') {
      return [`$.put<usize>(at, ${this.#helper('lower', type)}(value));`, '$.put<i32>(at + 4, value.length);']
    }
    const parts = partsOf(type)
    if (parts !== null) {
      const offsets = offsetsOf(parts)
      return parts.map((part, index) =>
        this.store(part, `value.${this.#partName(type, index)}`, plus('at', offsets[index]!)),
      )
    }
    const cases = casesOf(type)!
    const access = this.#access(type)
    const { offset } = payloadOf(cases)
    const lines = [
      `const tag: i32 = ${access.tag('value')};`,
      `$.put<${unsigned[tagBytes(cases.length)]}>(at, <${unsigned[tagBytes(cases.length)]}>tag);`,
    ]
    for (const [index, item] of cases.entries()) {
      if (item === null) continue
      lines.push(`if (tag == ${index}) ${this.store(item, access.payload('value', index), plus('at', offset))}`)
    }
    return lines
  }

  #loadBody(type: WitType): string[] {
    if (typeof type !== 'string' && type.kind === 'list') {
      return [`return ${this.#helper('lift', type)}($.get<usize>(at), $.get<i32>(at + 4));`]
    }
    const parts = partsOf(type)
    if (parts !== null) {
      const offsets = offsetsOf(parts)
      const values = parts.map((part, index) => this.load(part, plus('at', offsets[index]!)))
      return [`return new ${this.#names.of(type)}(${values.join(', ')});`]
    }
    const cases = casesOf(type)!
    const access = this.#access(type)
    const { offset } = payloadOf(cases)
    const value = (index: number): string => {
      const item = cases[index]!
      return access.make(index, item === null ? null : this.load(item, plus('at', offset)))
    }
    const last = cases.length - 1
    return [
      `const tag = $.get<${unsigned[tagBytes(cases.length)]}>(at);`,
      ...cases.slice(0, last).map((_, index) => `if (tag == ${index}) return ${value(index)};`),
      `return ${value(last)};`,
    ]
  }
}

const isBytes = (type: WitType): boolean => typeof type !== 'string' && type.kind === 'list' && type.of === 'u8'

const plus = (at: string, offset: number): string => (offset === 0 ? at : `${at} + ${offset}`)

/** A core value in the wider type that it shares with other cases (CanonicalABI.md, `lower_flat_variant`). */
function widen(value: string, from: FlatType, to: FlatType): string {
  if (from === to) return value
  const asInt =
    from === 'f32' ? `$.bits<i32, f32>(${value})` : from === 'f64' ? `$.bits<i64, f64>(${value})` : `<i32>(${value})`
  return to === 'i64' && from !== 'f64' ? `<i64><u64><u32>${asInt}` : asInt
}

function narrow(value: string, from: FlatType, to: FlatType): string {
  if (from === to) return value
  if (to === 'f64') return `$.bits<f64, i64>(${value})`
  const int = from === 'i64' ? `<i32>${value}` : value
  return to === 'f32' ? `$.bits<f32, i32>(${int})` : int
}
