import type { Primitive } from '../fold.ts'
import type { Codec, Flat, FlatType, SingleCodec } from './codec.ts'
import type { GuestMemory } from './memory.ts'
import { stringCodec } from './text.ts'

interface Scalar<T, F extends Flat> {
  readonly size: number
  readonly flat: FlatType
  load(memory: GuestMemory, pointer: number): T
  /** The value is checked. */
  write(memory: GuestMemory, pointer: number, value: T): void
  lift(memory: GuestMemory, flat: F): T
  /** Checks a value of the host's; it throws `abi-value`. */
  check(memory: GuestMemory, value: unknown): T
  lower(value: T): F
}

function scalarCodec<T, F extends Flat>(scalar: Scalar<T, F>): Codec {
  const { size, flat: type, load, write, check, lower } = scalar
  const lift = scalar.lift as (memory: GuestMemory, flat: Flat) => T
  const single: SingleCodec = { lift, lower: (memory, value) => lower(check(memory, value)) }
  return {
    size,
    align: size,
    flat: [type],
    load,
    store: (memory, pointer, value) => write(memory, pointer, check(memory, value)),
    lift: (memory, flat, at) => lift(memory, flat[at]!),
    lower(memory, value, flat) {
      flat.push(lower(check(memory, value)))
    },
    single,
    span: null,
  }
}

function checkInteger(min: number, max: number, name: string): (memory: GuestMemory, value: unknown) => number {
  return (memory, value) => {
    if (typeof value !== 'number' || !(value >= min && value <= max) || Math.trunc(value) !== value) {
      throw memory.wrong(`${name}`, value)
    }
    return value
  }
}

function checkBigint(min: bigint, max: bigint, name: string): (memory: GuestMemory, value: unknown) => bigint {
  return (memory, value) => {
    if (typeof value !== 'bigint' || value < min || value > max) throw memory.wrong(`${name} as a bigint`, value)
    return value
  }
}

function checkFloat(memory: GuestMemory, value: unknown): number {
  if (typeof value !== 'number') throw memory.wrong('a number', value)
  return value
}

const identity = <T>(value: T): T => value

function charOf(memory: GuestMemory, code: number): string {
  const point = code >>> 0
  if (point >= 0x110000 || (point >= 0xd800 && point <= 0xdfff)) {
    throw memory.trap(`0x${point.toString(16)} is no Unicode scalar value`)
  }
  return String.fromCodePoint(point)
}

function checkChar(memory: GuestMemory, value: unknown): string {
  if (typeof value !== 'string' || value.length === 0) throw memory.wrong('a character', value)
  const point = value.codePointAt(0)!
  if (value.length !== (point > 0xffff ? 2 : 1) || (point >= 0xd800 && point <= 0xdfff)) {
    throw memory.wrong('one Unicode scalar value', value)
  }
  return value
}

// Component model, Canonical ABI, "Loading", "Storing", "Flat Lifting", "Flat Lowering".
export const scalarCodecs: Readonly<Record<Primitive, Codec>> = {
  bool: scalarCodec<boolean, number>({
    size: 1,
    flat: 'i32',
    load: (memory, at) => memory.u8[at] !== 0,
    write(memory, at, value) {
      memory.u8[at] = value ? 1 : 0
    },
    lift: (_, flat) => flat !== 0,
    check(memory, value) {
      if (typeof value !== 'boolean') throw memory.wrong('true or false', value)
      return value
    },
    lower: (value) => (value ? 1 : 0),
  }),
  u8: scalarCodec<number, number>({
    size: 1,
    flat: 'i32',
    load: (memory, at) => memory.u8[at]!,
    write(memory, at, value) {
      memory.u8[at] = value
    },
    lift: (_, flat) => flat & 0xff,
    check: checkInteger(0, 0xff, 'u8'),
    lower: identity,
  }),
  s8: scalarCodec<number, number>({
    size: 1,
    flat: 'i32',
    load: (memory, at) => memory.view.getInt8(at),
    write: (memory, at, value) => memory.view.setInt8(at, value),
    lift: (_, flat) => (flat << 24) >> 24,
    check: checkInteger(-0x80, 0x7f, 's8'),
    lower: identity,
  }),
  u16: scalarCodec<number, number>({
    size: 2,
    flat: 'i32',
    load: (memory, at) => memory.view.getUint16(at, true),
    write: (memory, at, value) => memory.view.setUint16(at, value, true),
    lift: (_, flat) => flat & 0xffff,
    check: checkInteger(0, 0xffff, 'u16'),
    lower: identity,
  }),
  s16: scalarCodec<number, number>({
    size: 2,
    flat: 'i32',
    load: (memory, at) => memory.view.getInt16(at, true),
    write: (memory, at, value) => memory.view.setInt16(at, value, true),
    lift: (_, flat) => (flat << 16) >> 16,
    check: checkInteger(-0x8000, 0x7fff, 's16'),
    lower: identity,
  }),
  u32: scalarCodec<number, number>({
    size: 4,
    flat: 'i32',
    load: (memory, at) => memory.view.getUint32(at, true),
    write: (memory, at, value) => memory.view.setUint32(at, value, true),
    lift: (_, flat) => flat >>> 0,
    check: checkInteger(0, 0xffff_ffff, 'u32'),
    lower: identity,
  }),
  s32: scalarCodec<number, number>({
    size: 4,
    flat: 'i32',
    load: (memory, at) => memory.view.getInt32(at, true),
    write: (memory, at, value) => memory.view.setInt32(at, value, true),
    lift: (_, flat) => flat | 0,
    check: checkInteger(-0x8000_0000, 0x7fff_ffff, 's32'),
    lower: identity,
  }),
  u64: scalarCodec<bigint, bigint>({
    size: 8,
    flat: 'i64',
    load: (memory, at) => memory.view.getBigUint64(at, true),
    write: (memory, at, value) => memory.view.setBigUint64(at, value, true),
    lift: (_, flat) => BigInt.asUintN(64, flat),
    check: checkBigint(0n, 2n ** 64n - 1n, 'u64'),
    lower: identity,
  }),
  s64: scalarCodec<bigint, bigint>({
    size: 8,
    flat: 'i64',
    load: (memory, at) => memory.view.getBigInt64(at, true),
    write: (memory, at, value) => memory.view.setBigInt64(at, value, true),
    lift: (_, flat) => BigInt.asIntN(64, flat),
    check: checkBigint(-(2n ** 63n), 2n ** 63n - 1n, 's64'),
    lower: identity,
  }),
  f32: scalarCodec<number, number>({
    size: 4,
    flat: 'f32',
    load: (memory, at) => memory.view.getFloat32(at, true),
    write: (memory, at, value) => memory.view.setFloat32(at, value, true),
    lift: (_, flat) => flat,
    check: checkFloat,
    lower: Math.fround,
  }),
  f64: scalarCodec<number, number>({
    size: 8,
    flat: 'f64',
    load: (memory, at) => memory.view.getFloat64(at, true),
    write: (memory, at, value) => memory.view.setFloat64(at, value, true),
    lift: (_, flat) => flat,
    check: checkFloat,
    lower: identity,
  }),
  char: scalarCodec<string, number>({
    size: 4,
    flat: 'i32',
    load: (memory, at) => charOf(memory, memory.view.getUint32(at, true)),
    write: (memory, at, value) => memory.view.setUint32(at, value.codePointAt(0)!, true),
    lift: charOf,
    check: checkChar,
    lower: (value) => value.codePointAt(0)!,
  }),
  string: stringCodec,
}
