import type { WitType } from '../types.ts'
import { type Codec, lowered, spanCodec } from './codec.ts'
import type { GuestMemory } from './memory.ts'

type NumberArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array

interface NumberArrayType {
  readonly BYTES_PER_ELEMENT: number
  new (buffer: ArrayBuffer): NumberArray
  new (buffer: ArrayBuffer, offset: number, length: number): NumberArray
}

/** What lists of numbers are in JavaScript. */
export const numberArrays: Readonly<Partial<Record<string, NumberArrayType>>> = {
  u8: Uint8Array,
  s8: Int8Array,
  u16: Uint16Array,
  s16: Int16Array,
  u32: Uint32Array,
  s32: Int32Array,
  u64: BigUint64Array,
  s64: BigInt64Array,
  f32: Float32Array,
  f64: Float64Array,
}

/**
 * Lists of numbers are typed arrays, the others arrays. Typed arrays cross as one copy; into a guest plain arrays of numbers go as well.
 */
export function listCodec(of: Codec, type: WitType): Codec {
  const numbers = typeof type === 'string' ? numberArrays[type] : undefined
  if (type === 'u8') return spanCodec({ lift: liftBytes, lower: lowerNumbers(of, Uint8Array) })
  if (numbers !== undefined) return spanCodec({ lift: liftNumbers(of, numbers), lower: lowerNumbers(of, numbers) })
  return spanCodec({ lift: liftItems(of), lower: lowerItems(of) })
}

function liftBytes(memory: GuestMemory, pointer: number, length: number): Uint8Array {
  const at = memory.checkLifted(pointer, 1, length)
  return memory.u8.slice(at, at + length)
}

// The platform's byte order is that of the guest: every engine that Hypha runs on is little-endian.
function liftNumbers({ size }: Codec, numbers: NumberArrayType) {
  return (memory: GuestMemory, pointer: number, length: number): NumberArray => {
    const at = memory.checkLifted(pointer, size, length * size)
    return new numbers(memory.u8.buffer.slice(at, at + length * size))
  }
}

function liftItems({ size, align, load }: Codec) {
  return (memory: GuestMemory, pointer: number, length: number): unknown[] => {
    const at = memory.checkLifted(pointer, align, length * size)
    const items: unknown[] = []
    for (let index = 0; index < length; index++) items.push(load(memory, at + index * size))
    return items
  }
}

function lowerNumbers(of: Codec, numbers: NumberArrayType) {
  const lowerPlain = lowerItems(of)
  const { size } = of
  return (memory: GuestMemory, value: unknown): number => {
    if (!(value instanceof numbers)) return lowerPlain(memory, value)
    const { length } = value
    const pointer = memory.allocate(size, length * size)
    if (value instanceof Uint8Array) memory.u8.set(value, pointer)
    else memory.u8.set(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), pointer)
    lowered.length = length
    return pointer
  }
}

function lowerItems({ size, align, store }: Codec) {
  return (memory: GuestMemory, value: unknown): number => {
    if (!Array.isArray(value)) throw memory.wrong('a list', value)
    const { length } = value
    const pointer = memory.allocate(align, length * size)
    for (let index = 0; index < length; index++) store(memory, pointer + index * size, value[index])
    lowered.length = length
    return pointer
  }
}
