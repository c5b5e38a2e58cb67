import { alignTo, type Codec, type Flat, type FlatType, maxFlat } from './codec.ts'
import { readU8, readU16, readU32, writeU8, writeU16, writeU32 } from './compound.ts'
import type { GuestMemory } from './memory.ts'

/** Discriminant and payload between JavaScript's form of a value and the ABI's. */
interface Shape {
  /** Which case a value of the host's is; it throws `abi-value`. */
  caseOf(memory: GuestMemory, value: unknown): number
  payloadOf(value: unknown): unknown
  make(index: number, payload: unknown): unknown
}

interface Case {
  readonly of: Codec | null
  /** How each core value of the payload is taken out of the joined one and put into it; null where the types are equal. */
  readonly out: readonly (((flat: Flat) => Flat) | null)[] | null
  readonly into: readonly (((flat: Flat) => Flat) | null)[] | null
}

const scratch = new DataView(new ArrayBuffer(8))

function floatOfBits(bits: number): number {
  scratch.setInt32(0, bits)
  return scratch.getFloat32(0)
}

function bitsOfFloat(value: number): number {
  scratch.setFloat32(0, value)
  return scratch.getInt32(0)
}

function doubleOfBits(bits: bigint): number {
  scratch.setBigInt64(0, bits)
  return scratch.getFloat64(0)
}

function bitsOfDouble(value: number): bigint {
  scratch.setFloat64(0, value)
  return scratch.getBigInt64(0)
}

const wrap = (flat: Flat): number => Number(BigInt.asIntN(32, flat as bigint))
const extend = (flat: Flat): bigint => BigInt((flat as number) >>> 0)

// Component model, Canonical ABI, `lift_flat_variant` and `lower_flat_variant`: from the joined type to the payload's, and back.
const outOf: Readonly<Record<string, (flat: Flat) => Flat>> = {
  'i32 f32': (flat) => floatOfBits(flat as number),
  'i64 i32': wrap,
  'i64 f32': (flat) => floatOfBits(wrap(flat)),
  'i64 f64': (flat) => doubleOfBits(flat as bigint),
}
const intoJoined: Readonly<Record<string, (flat: Flat) => Flat>> = {
  'i32 f32': (flat) => bitsOfFloat(flat as number),
  'i64 i32': extend,
  'i64 f32': (flat) => extend(bitsOfFloat(flat as number)),
  'i64 f64': (flat) => bitsOfDouble(flat as number),
}

/** Component model, Canonical ABI, "Flattening", `join`. */
function join(a: FlatType, b: FlatType): FlatType {
  if (a === b) return a
  return (a === 'i32' && b === 'f32') || (a === 'f32' && b === 'i32') ? 'i32' : 'i64'
}

function joinAll(payloads: readonly (Codec | null)[]): FlatType[] {
  const joined: FlatType[] = []
  for (const payload of payloads) {
    payload?.flat.forEach((type, index) => {
      const before = joined[index]
      joined[index] = before === undefined ? type : join(before, type)
    })
  }
  return joined
}

function conversions(of: Codec, joined: readonly FlatType[], table: typeof outOf): Case['out'] {
  const list = of.flat.map((type, index) => (type === joined[index] ? null : table[`${joined[index]} ${type}`]!))
  return list.every((convert) => convert === null) ? null : list
}

export function variantCodec(payloads: readonly (Codec | null)[], shape: Shape): Codec {
  const count = payloads.length
  const discriminant = count <= 0x100 ? 1 : count <= 0x10000 ? 2 : 4
  const read = discriminant === 1 ? readU8 : discriminant === 2 ? readU16 : readU32
  const write = discriminant === 1 ? writeU8 : discriminant === 2 ? writeU16 : writeU32
  const payloadAlign = Math.max(1, ...payloads.map((payload) => payload?.align ?? 1))
  const payloadSize = Math.max(0, ...payloads.map((payload) => payload?.size ?? 0))
  const payloadAt = alignTo(discriminant, payloadAlign)
  const align = Math.max(discriminant, payloadAlign)
  const joined = joinAll(payloads)
  const zeros = joined.map((type): Flat => (type === 'i64' ? 0n : 0))
  const cases = payloads.map((of): Case => {
    if (of === null) return { of, out: null, into: null }
    return { of, out: conversions(of, joined, outOf), into: conversions(of, joined, intoJoined) }
  })
  const { caseOf, payloadOf, make } = shape

  function find(memory: GuestMemory, index: number): Case {
    const found = cases[index >>> 0]
    if (found === undefined) throw memory.trap(`the discriminant ${index >>> 0} is beyond the ${count} cases`)
    return found
  }

  function lift(memory: GuestMemory, values: readonly Flat[], at: number): unknown {
    const index = values[at] as number
    const { of, out } = find(memory, index)
    if (of === null) return make(index, undefined)
    if (out === null) return make(index, of.lift(memory, values, at + 1))
    const payload = out.map((convert, position) => {
      const flat = values[at + 1 + position]!
      return convert === null ? flat : convert(flat)
    })
    return make(index, of.lift(memory, payload, 0))
  }

  function lower(memory: GuestMemory, value: unknown, values: Flat[]): void {
    const index = caseOf(memory, value)
    const { of, into } = cases[index]!
    values.push(index)
    const at = values.length
    if (of !== null) of.lower(memory, payloadOf(value), values)
    if (into !== null) {
      into.forEach((convert, position) => {
        if (convert !== null) values[at + position] = convert(values[at + position]!)
      })
    }
    for (let position = values.length - at; position < zeros.length; position++) values.push(zeros[position]!)
  }

  return {
    size: alignTo(payloadAt + payloadSize, align),
    align,
    flat: (['i32', ...joined] satisfies FlatType[] as FlatType[]).slice(0, maxFlat),
    load(memory, pointer) {
      const index = read(memory, pointer)
      const { of } = find(memory, index)
      return make(index, of === null ? undefined : of.load(memory, pointer + payloadAt))
    },
    store(memory, pointer, value) {
      const index = caseOf(memory, value)
      const { of } = cases[index]!
      write(memory, pointer, index)
      if (of !== null) of.store(memory, pointer + payloadAt, payloadOf(value))
    },
    lift,
    lower,
    single:
      joined.length > 0
        ? null
        : {
            lift(memory, flat) {
              find(memory, flat as number)
              return make(flat as number, undefined)
            },
            lower: caseOf,
          },
    span: null,
  }
}

interface Tagged {
  readonly tag: string
  readonly val?: unknown
}

/** `{ tag, val }`, with the case's name as the tag. Also results, with `ok` and `err`. */
export function taggedShape(names: readonly string[]): Shape {
  const indices = new Map(names.map((name, index) => [name, index]))
  return {
    caseOf(memory, value) {
      const index = typeof value === 'object' && value !== null ? indices.get((value as Tagged).tag) : undefined
      if (index === undefined) throw memory.wrong(`{ tag, val } with the tag ${names.join(', ').slice(0, 200)}`, value)
      return index
    },
    payloadOf: (value) => (value as Tagged).val,
    make: (index, val): Tagged => ({ tag: names[index]!, val }),
  }
}

/** The case's name itself. */
export function enumShape(names: readonly string[]): Shape {
  const indices = new Map<unknown, number>(names.map((name, index) => [name, index]))
  return {
    caseOf(memory, value) {
      const index = indices.get(value)
      if (index === undefined) throw memory.wrong(`one of ${names.join(', ').slice(0, 200)}`, value)
      return index
    },
    payloadOf: () => undefined,
    make: (index) => names[index]!,
  }
}

/** The value, or undefined for none. Options of options can't be told apart so, and are tagged: `{ tag: 'some', val }`, `{ tag: 'none' }`. */
export const optionShape: Shape = {
  caseOf: (_, value) => (value === undefined ? 0 : 1),
  payloadOf: (value) => value,
  make: (_, payload) => payload,
}
