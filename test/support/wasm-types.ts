import { primitiveTypes, type WitType } from '@hypha/core/wasm/types.ts'
import fc from 'fast-check'

const labels = (count: number, prefix: string): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`)

/** Any WIT type that crosses by value, of at most `depth` levels. */
export function witType(depth: number): fc.Arbitrary<WitType> {
  const primitive: fc.Arbitrary<WitType> = fc.constantFrom(...primitiveTypes)
  const plain: fc.Arbitrary<WitType> = fc.oneof(
    primitive,
    fc.integer({ min: 1, max: 5 }).map((count): WitType => ({ kind: 'enum', cases: labels(count, 'case') })),
    fc.integer({ min: 1, max: 32 }).map((count): WitType => ({ kind: 'flags', flags: labels(count, 'flag') })),
  )
  if (depth <= 1) return plain
  const inner = witType(depth - 1)
  const optional = fc.option(inner, { nil: null })
  return fc.oneof(
    plain,
    inner.map((of): WitType => ({ kind: 'list', of })),
    inner.map((of): WitType => ({ kind: 'option', of })),
    fc.tuple(optional, optional).map(([ok, err]): WitType => ({ kind: 'result', ok, err })),
    fc.array(inner, { minLength: 1, maxLength: 4 }).map((items): WitType => ({ kind: 'tuple', items })),
    fc.array(inner, { minLength: 1, maxLength: 6 }).map(
      (types): WitType => ({
        kind: 'record',
        fields: types.map((type, index) => ({ name: `some-field-${index}`, type })),
      }),
    ),
    fc
      .array(optional, { minLength: 1, maxLength: 5 })
      .map(
        (types): WitType => ({ kind: 'variant', cases: types.map((type, index) => ({ name: `case-${index}`, type })) }),
      ),
  )
}

/** One type of each kind, with the shapes that the canonical ABI treats apart. */
export const everyKind: readonly WitType[] = [
  ...primitiveTypes,
  ...primitiveTypes.map((of): WitType => ({ kind: 'list', of })),
  ...primitiveTypes.map((of): WitType => ({ kind: 'option', of })),
  { kind: 'option', of: { kind: 'option', of: 'u8' } },
  { kind: 'result', ok: null, err: null },
  { kind: 'result', ok: 'f64', err: { kind: 'enum', cases: ['none', 'gone'] } },
  { kind: 'result', ok: null, err: 'string' },
  { kind: 'result', ok: { kind: 'list', of: 'u8' }, err: null },
  { kind: 'tuple', items: ['u8', 'u64', 'string'] },
  // 17 core values: through memory.
  { kind: 'tuple', items: Array.from({ length: 17 }, () => 'u8' as const) },
  { kind: 'tuple', items: Array.from({ length: 16 }, () => 'f32' as const) },
  { kind: 'record', fields: [{ name: 'battery-level', type: 'f32' }] },
  {
    kind: 'record',
    fields: [
      { name: 'id', type: 'string' },
      { name: 'at-ms', type: 'u64' },
      { name: 'tags', type: { kind: 'list', of: 'string' } },
    ],
  },
  // Payloads whose core types are joined: i32 with f32, i64 with f32 and f64.
  {
    kind: 'variant',
    cases: [
      { name: 'a', type: 'f32' },
      { name: 'b', type: 'u32' },
    ],
  },
  {
    kind: 'variant',
    cases: [
      { name: 'a', type: 'f32' },
      { name: 'b', type: 's64' },
      { name: 'c', type: 's32' },
      { name: 'none', type: null },
    ],
  },
  {
    kind: 'variant',
    cases: [
      { name: 'a', type: 'f64' },
      { name: 'b', type: 'string' },
      { name: 'c', type: 'u64' },
    ],
  },
  { kind: 'enum', cases: Array.from({ length: 300 }, (_, index) => `c${index}`) },
  { kind: 'flags', flags: labels(8, 'f') },
  { kind: 'flags', flags: labels(9, 'f') },
  { kind: 'flags', flags: labels(32, 'f') },
  { kind: 'list', of: { kind: 'list', of: { kind: 'record', fields: [{ name: 'x', type: 'u16' }] } } },
]

const scalar = fc
  .oneof({ weight: 4, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) }, fc.integer({ min: 0, max: 0x10ffff }))
  .filter((code) => code < 0xd800 || code > 0xdfff)
const charValue = scalar.map((code) => String.fromCodePoint(code))
const stringValue = fc.array(charValue, { maxLength: 60 }).map((chars) => chars.join(''))

/** Values of a type in JavaScript's form. */
export function witValue(type: WitType): fc.Arbitrary<unknown> {
  if (typeof type === 'string') return primitiveValue(type)
  switch (type.kind) {
    case 'list':
      return fc.array(witValue(type.of), { maxLength: 5 })
    case 'option': {
      const inner = witValue(type.of)
      if (typeof type.of === 'object' && type.of.kind === 'option') {
        return fc.oneof(
          fc.constant({ tag: 'none' }),
          inner.map((val) => ({ tag: 'some', val })),
        )
      }
      return fc.option(inner, { nil: undefined })
    }
    case 'result':
      return fc.oneof(taggedValue('ok', type.ok), taggedValue('err', type.err))
    case 'tuple':
      return fc.tuple(...type.items.map(witValue))
    case 'record':
      return fc.record(Object.fromEntries(type.fields.map(({ name, type: of }) => [camel(name), witValue(of)])))
    case 'variant':
      return fc.oneof(...type.cases.map(({ name, type: of }) => taggedValue(name, of)))
    case 'enum':
      return fc.constantFrom(...type.cases)
    case 'flags':
      return fc.record(Object.fromEntries(type.flags.map((name) => [camel(name), fc.boolean()])))
  }
}

function taggedValue(tag: string, type: WitType | null): fc.Arbitrary<unknown> {
  return type === null ? fc.constant({ tag }) : witValue(type).map((val) => ({ tag, val }))
}

const camel = (label: string): string => label.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())

function primitiveValue(type: Extract<WitType, string>): fc.Arbitrary<unknown> {
  switch (type) {
    case 'bool':
      return fc.boolean()
    case 'char':
      return charValue
    case 'string':
      return stringValue
    case 'f32':
      return fc.float()
    case 'f64':
      return fc.double()
    case 'u64':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
    case 's64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    default: {
      const bits = Number(type.slice(1))
      const signed = type.startsWith('s')
      return fc.integer({ min: signed ? -(2 ** (bits - 1)) : 0, max: 2 ** (signed ? bits - 1 : bits) - 1 })
    }
  }
}

/** One form for what is equal: plain arrays for typed ones, no keys for undefined. */
export function plain(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, part]) => (part === undefined ? [] : [[key, plain(part)]])),
  )
}

/** WIT text of functions `echo-0: func(x: T) -> T` for each type, in one interface. */
export function interfaceText(name: string, types: readonly WitType[]): string {
  const declared: string[] = []
  const text = (type: WitType): string => {
    if (typeof type === 'string') return type
    const declare = (keyword: string, parts: readonly string[]): string => {
      const id = `type-${declared.length}`
      declared.push(`${keyword} ${id} { ${parts.join(', ')} }`)
      return id
    }
    switch (type.kind) {
      case 'list':
      case 'option':
        return `${type.kind}<${text(type.of)}>`
      case 'result':
        return type.ok === null && type.err === null
          ? 'result'
          : `result<${type.ok === null ? '_' : text(type.ok)}${type.err === null ? '' : `, ${text(type.err)}`}>`
      case 'tuple':
        return `tuple<${type.items.map(text).join(', ')}>`
      case 'record':
        return declare(
          'record',
          type.fields.map((field) => `%${field.name}: ${text(field.type)}`),
        )
      case 'variant':
        return declare(
          'variant',
          type.cases.map((part) => `%${part.name}${part.type === null ? '' : `(${text(part.type)})`}`),
        )
      case 'enum':
        return declare(
          'enum',
          type.cases.map((part) => `%${part}`),
        )
      case 'flags':
        return declare(
          'flags',
          type.flags.map((part) => `%${part}`),
        )
    }
  }
  const funcs = types.map((type, index) => {
    const typeText = text(type)
    return `echo-${index}: func(x: ${typeText}) -> ${typeText};`
  })
  return `interface ${name} {\n${declared.join('\n')}\n${funcs.join('\n')}\n}\n`
}
