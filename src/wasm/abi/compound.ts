import { camelCase } from '../fold.ts'
import { alignTo, type Codec, type Flat, type FlatType, maxFlat, type SingleCodec } from './codec.ts'
import type { GuestMemory } from './memory.ts'

interface Field {
  readonly key: string
  readonly of: Codec
  /** Bytes from the start of the record. */
  readonly offset: number
  /** Core values from the start of the record. */
  readonly flatAt: number
}

interface Layout {
  readonly fields: readonly Field[]
  readonly size: number
  readonly align: number
  readonly flat: readonly FlatType[]
}

/** Component model, Canonical ABI, "Alignment", "Element Size": fields one after the other, each aligned. */
function layOut(parts: readonly { readonly key: string; readonly of: Codec }[]): Layout {
  let offset = 0
  let align = 1
  const flat: FlatType[] = []
  const fields = parts.map(({ key, of }): Field => {
    const at = alignTo(offset, of.align)
    const field = { key, of, offset: at, flatAt: flat.length }
    offset = at + of.size
    align = Math.max(align, of.align)
    if (flat.length < maxFlat) flat.push(...of.flat)
    return field
  })
  return { fields, size: alignTo(offset, align), align, flat: flat.slice(0, maxFlat) }
}

/** Where codecs have one core value, `single` goes through the general way. */
function withSingle(codec: Omit<Codec, 'single' | 'span'>): Codec {
  const single: SingleCodec = {
    lift: (memory, flat) => codec.lift(memory, [flat], 0),
    lower(memory, value) {
      const flat: Flat[] = []
      codec.lower(memory, value, flat)
      return flat[0]!
    },
  }
  return { ...codec, single: codec.flat.length === 1 ? single : null, span: null }
}

function asObject(memory: GuestMemory, value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw memory.wrong(what, value)
  return value as Record<string, unknown>
}

export function recordCodec(parts: readonly { readonly name: string; readonly of: Codec }[]): Codec {
  const { fields, size, align, flat } = layOut(parts.map(({ name, of }) => ({ key: camelCase(name), of })))
  const what = `a record of ${fields.map(({ key }) => key).join(', ')}`.slice(0, 200)
  return withSingle({
    size,
    align,
    flat,
    load(memory, pointer) {
      const record: Record<string, unknown> = {}
      for (const { key, of, offset } of fields) record[key] = of.load(memory, pointer + offset)
      return record
    },
    store(memory, pointer, value) {
      const record = asObject(memory, value, what)
      for (const { key, of, offset } of fields) of.store(memory, pointer + offset, record[key])
    },
    lift(memory, values, at) {
      const record: Record<string, unknown> = {}
      for (const { key, of, flatAt } of fields) record[key] = of.lift(memory, values, at + flatAt)
      return record
    },
    lower(memory, value, values) {
      const record = asObject(memory, value, what)
      for (const { key, of } of fields) of.lower(memory, record[key], values)
    },
  })
}

export function tupleCodec(items: readonly Codec[]): Codec {
  const { fields, size, align, flat } = layOut(items.map((of, index) => ({ key: String(index), of })))
  const check = (memory: GuestMemory, value: unknown): readonly unknown[] => {
    if (!Array.isArray(value) || value.length !== fields.length)
      throw memory.wrong(`a tuple of ${fields.length}`, value)
    return value
  }
  return withSingle({
    size,
    align,
    flat,
    load: (memory, pointer) => fields.map(({ of, offset }) => of.load(memory, pointer + offset)),
    store(memory, pointer, value) {
      const tuple = check(memory, value)
      fields.forEach(({ of, offset }, index) => {
        of.store(memory, pointer + offset, tuple[index])
      })
    },
    lift: (memory, values, at) => fields.map(({ of, flatAt }) => of.lift(memory, values, at + flatAt)),
    lower(memory, value, values) {
      const tuple = check(memory, value)
      fields.forEach(({ of }, index) => {
        of.lower(memory, tuple[index], values)
      })
    },
  })
}

export function flagsCodec(names: readonly string[]): Codec {
  const keys = names.map(camelCase)
  const size = keys.length <= 8 ? 1 : keys.length <= 16 ? 2 : 4
  const read = size === 1 ? readU8 : size === 2 ? readU16 : readU32
  const write = size === 1 ? writeU8 : size === 2 ? writeU16 : writeU32
  const unpack = (bits: number): Record<string, boolean> => {
    const flags: Record<string, boolean> = {}
    for (let index = 0; index < keys.length; index++) flags[keys[index]!] = (bits & (1 << index)) !== 0
    return flags
  }
  const pack = (memory: GuestMemory, value: unknown): number => {
    const flags = asObject(memory, value, 'flags')
    let bits = 0
    for (let index = 0; index < keys.length; index++) if (flags[keys[index]!]) bits |= 1 << index
    return bits
  }
  return {
    size,
    align: size,
    flat: ['i32'],
    load: (memory, pointer) => unpack(read(memory, pointer)),
    store: (memory, pointer, value) => write(memory, pointer, pack(memory, value)),
    lift: (_, values, at) => unpack(values[at] as number),
    lower(memory, value, values) {
      values.push(pack(memory, value))
    },
    single: { lift: (_, flat) => unpack(flat as number), lower: pack },
    span: null,
  }
}

export const readU8 = (memory: GuestMemory, at: number): number => memory.u8[at]!
export const readU16 = (memory: GuestMemory, at: number): number => memory.view.getUint16(at, true)
export const readU32 = (memory: GuestMemory, at: number): number => memory.view.getUint32(at, true)
export const writeU8 = (memory: GuestMemory, at: number, value: number): void => memory.view.setUint8(at, value)
export const writeU16 = (memory: GuestMemory, at: number, value: number): void => memory.view.setUint16(at, value, true)
export const writeU32 = (memory: GuestMemory, at: number, value: number): void => memory.view.setUint32(at, value, true)
