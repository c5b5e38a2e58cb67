import { camelCase, foldType, type Primitive, type TypeFold } from '../fold.ts'
import type { WitType } from '../types.ts'
import type { ValueCodec } from './codec.ts'
import { major } from './cursor.ts'
import { listCodec } from './lists.ts'

function integerCodec(min: number, max: number, name: string): ValueCodec {
  return {
    write(out, value) {
      if (typeof value !== 'number' || !(value >= min && value <= max) || Math.trunc(value) !== value) {
        throw out.wrong(name, value)
      }
      if (value < 0) out.head(major.negative, -1 - value)
      // −0 is 0.
      else out.head(major.unsigned, value)
    },
    read(from) {
      const value = from.integer(name)
      if (value < min || value > max) throw from.wrong(name)
      return value
    },
  }
}

function bigintCodec(min: bigint, max: bigint, name: string): ValueCodec {
  return {
    write(out, value) {
      if (typeof value !== 'bigint' || value < min || value > max) throw out.wrong(`${name} as a bigint`, value)
      if (value < 0n) out.bigHead(major.negative, -1n - value)
      else out.bigHead(major.unsigned, value)
    },
    read(from) {
      const value = from.bigint(name)
      if (value < min || value > max) throw from.wrong(name)
      return value
    },
  }
}

function floatCodec(bits: 32 | 64): ValueCodec {
  return {
    write(out, value) {
      if (typeof value !== 'number') throw out.wrong('a number', value)
      if (bits === 32) out.f32(value)
      else out.f64(value)
    },
    read: (from) => (bits === 32 ? from.f32() : from.f64()),
  }
}

/** One Unicode scalar value. */
function isChar(text: string): boolean {
  const point = text.codePointAt(0)
  if (point === undefined || (point >= 0xd800 && point <= 0xdfff)) return false
  return text.length === (point > 0xffff ? 2 : 1)
}

const primitives: Readonly<Record<Primitive, ValueCodec>> = {
  bool: {
    write(out, value) {
      if (typeof value !== 'boolean') throw out.wrong('true or false', value)
      out.byte(value ? 0xf5 : 0xf4)
    },
    read(from) {
      const byte = from.byte()
      if (byte !== 0xf4 && byte !== 0xf5) throw from.wrong('true or false')
      return byte === 0xf5
    },
  },
  u8: integerCodec(0, 0xff, 'u8'),
  s8: integerCodec(-0x80, 0x7f, 's8'),
  u16: integerCodec(0, 0xffff, 'u16'),
  s16: integerCodec(-0x8000, 0x7fff, 's16'),
  u32: integerCodec(0, 0xffff_ffff, 'u32'),
  s32: integerCodec(-0x8000_0000, 0x7fff_ffff, 's32'),
  u64: bigintCodec(0n, 2n ** 64n - 1n, 'u64'),
  s64: bigintCodec(-(2n ** 63n), 2n ** 63n - 1n, 's64'),
  f32: floatCodec(32),
  f64: floatCodec(64),
  char: {
    write(out, value) {
      if (typeof value !== 'string' || !isChar(value)) throw out.wrong('one Unicode scalar value', value)
      out.text(value)
    },
    read(from) {
      const text = from.text()
      if (!isChar(text)) throw from.wrong('one Unicode scalar value')
      return text
    },
  },
  string: {
    write(out, value) {
      if (typeof value !== 'string') throw out.wrong('text', value)
      out.text(value)
    },
    read: (from) => from.text(),
  },
}

interface Tagged {
  readonly tag: string
  readonly val?: unknown
}

interface Case {
  readonly name: string
  readonly of: ValueCodec | null
}

/** `[case, value]`, or `[case]` where the case has no payload. */
function taggedCodec(cases: readonly Case[]): ValueCodec {
  const indices = new Map(cases.map(({ name }, index) => [name, index]))
  const expected = `one of ${[...indices.keys()].join(', ')}`.slice(0, 200)
  return {
    write(out, value) {
      const { tag, val } = (typeof value === 'object' && value !== null ? value : {}) as Tagged
      const index = indices.get(tag)
      if (index === undefined) throw out.wrong(`{ tag, val } with ${expected}`, value)
      const { of } = cases[index]!
      out.head(major.array, of === null ? 1 : 2)
      out.head(major.unsigned, index)
      if (of === null) return
      out.place.enter(tag)
      of.write(out, val)
      out.place.leave()
    },
    read(from) {
      const count = from.count(expected)
      const found = count === 0 ? undefined : cases[from.head(major.unsigned, expected)]
      if (found === undefined || count !== (found.of === null ? 1 : 2)) throw from.wrong(expected)
      const { name: tag, of } = found
      // A case without payload has the key too: as the binder makes them.
      if (of === null) return { tag, val: undefined }
      from.place.enter(tag)
      const val = of.read(from)
      from.place.leave()
      return { tag, val }
    },
  }
}

/** `[]` or `[value]`; in JavaScript the value or undefined. */
function optionCodec(of: ValueCodec): ValueCodec {
  return {
    write(out, value) {
      out.head(major.array, value === undefined ? 0 : 1)
      if (value !== undefined) of.write(out, value)
    },
    read(from) {
      const count = from.count('an option')
      if (count > 1) throw from.wrong('an option')
      return count === 0 ? undefined : of.read(from)
    },
  }
}

/** The same on the wire, but options of options are tagged in JavaScript. */
function nestedOptionCodec(of: ValueCodec): ValueCodec {
  return {
    write(out, value) {
      const { tag, val } = (typeof value === 'object' && value !== null ? value : {}) as Tagged
      if (tag !== 'none' && tag !== 'some') throw out.wrong('{ tag, val } with none or some', value)
      out.head(major.array, tag === 'none' ? 0 : 1)
      if (tag === 'some') of.write(out, val)
    },
    read(from) {
      const count = from.count('an option')
      if (count > 1) throw from.wrong('an option')
      return count === 0 ? { tag: 'none', val: undefined } : { tag: 'some', val: of.read(from) }
    },
  }
}

export function tupleCodec(items: readonly ValueCodec[]): ValueCodec {
  const expected = `a tuple of ${items.length}`
  return {
    write(out, value) {
      if (!Array.isArray(value) || value.length !== items.length) throw out.wrong(expected, value)
      out.head(major.array, items.length)
      for (let index = 0; index < items.length; index++) {
        out.place.enter(index)
        items[index]!.write(out, value[index])
        out.place.leave()
      }
    },
    read(from) {
      if (from.count(expected) !== items.length) throw from.wrong(expected)
      const tuple: unknown[] = []
      for (let index = 0; index < items.length; index++) {
        from.place.enter(index)
        tuple.push(items[index]!.read(from))
        from.place.leave()
      }
      return tuple
    },
  }
}

function recordCodec(parts: readonly { readonly name: string; readonly of: ValueCodec }[]): ValueCodec {
  const fields = parts.map(({ name, of }) => ({ name, key: camelCase(name), of }))
  const expected = `a record of ${fields.map(({ name }) => name).join(', ')}`.slice(0, 200)
  return {
    write(out, value) {
      if (typeof value !== 'object' || value === null) throw out.wrong(expected, value)
      out.head(major.array, fields.length)
      for (const { name, key, of } of fields) {
        out.place.enter(name)
        of.write(out, (value as Record<string, unknown>)[key])
        out.place.leave()
      }
    },
    read(from) {
      if (from.count(expected) !== fields.length) throw from.wrong(expected)
      const record: Record<string, unknown> = {}
      for (const { name, key, of } of fields) {
        from.place.enter(name)
        record[key] = of.read(from)
        from.place.leave()
      }
      return record
    },
  }
}

function enumCodec(cases: readonly string[]): ValueCodec {
  const indices = new Map<unknown, number>(cases.map((name, index) => [name, index]))
  const expected = `one of ${cases.join(', ')}`.slice(0, 200)
  return {
    write(out, value) {
      const index = indices.get(value)
      if (index === undefined) throw out.wrong(expected, value)
      out.head(major.unsigned, index)
    },
    read(from) {
      const name = cases[from.head(major.unsigned, expected)]
      if (name === undefined) throw from.wrong(expected)
      return name
    },
  }
}

/** A byte string, the first flag the lowest bit of the first byte. */
function flagsCodec(names: readonly string[]): ValueCodec {
  const keys = names.map(camelCase)
  const size = Math.ceil(keys.length / 8)
  const expected = `${size} bytes of flags`
  return {
    write(out, value) {
      if (typeof value !== 'object' || value === null) throw out.wrong('flags', value)
      const packed = new Uint8Array(size)
      for (const [index, key] of keys.entries()) {
        if ((value as Record<string, unknown>)[key]) packed[index >> 3]! |= 1 << (index & 7)
      }
      out.bytes(packed)
    },
    read(from) {
      const packed = from.bytes(expected)
      const beyond = keys.length % 8 === 0 ? 0 : packed[size - 1]! >> (keys.length % 8)
      if (packed.length !== size || beyond !== 0) throw from.wrong(expected)
      return Object.fromEntries(keys.map((key, index) => [key, (packed[index >> 3]! & (1 << (index & 7))) !== 0]))
    },
  }
}

const codecs: TypeFold<ValueCodec> = {
  primitive: (type) => primitives[type],
  list: (of, type) => listCodec(of, type.of),
  option: (of, type) =>
    typeof type.of === 'object' && type.of.kind === 'option' ? nestedOptionCodec(of) : optionCodec(of),
  result: (ok, err) =>
    taggedCodec([
      { name: 'ok', of: ok },
      { name: 'err', of: err },
    ]),
  tuple: tupleCodec,
  record: recordCodec,
  variant: taggedCodec,
  enum: enumCodec,
  flags: flagsCodec,
}

const built = new WeakMap<object, ValueCodec>()

export const valueCodecOf = (type: WitType): ValueCodec => foldType(type, codecs, built)
