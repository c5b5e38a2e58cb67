import type { GuestMemory } from './memory.ts'

/** Core types that values are flattened to. */
export type FlatType = 'i32' | 'i64' | 'f32' | 'f64'
export type Flat = number | bigint

/**
 * How values of one WIT type cross: as bytes in memory (`load`, `store`) or as core values (`lift`, `lower`); "lift" is out of the guest,
 * "lower" into it. Built once per type and shared by all instances: the memory is an argument.
 */
export interface Codec {
  readonly size: number
  readonly align: number
  /** What is beyond `maxFlat` is cut off: a value of more core values never crosses as such. */
  readonly flat: readonly FlatType[]
  /** The value at a pointer that is aligned and has `size` bytes behind it. */
  load(memory: GuestMemory, pointer: number): unknown
  store(memory: GuestMemory, pointer: number, value: unknown): void
  /** The value of the core values from `at` on. */
  lift(memory: GuestMemory, flat: readonly Flat[], at: number): unknown
  /** Appends the core values. */
  lower(memory: GuestMemory, value: unknown, flat: Flat[]): void
  /** For types of one core value: the same without an array. */
  readonly single: SingleCodec | null
  /** For strings and lists, whose core values are a pointer and a length: the same without an array. */
  readonly span: SpanCodec | null
}

export interface SingleCodec {
  lift(memory: GuestMemory, flat: Flat): unknown
  lower(memory: GuestMemory, value: unknown): Flat
}

export interface SpanCodec {
  lift(memory: GuestMemory, pointer: number, length: number): unknown
  /** Copies the value into the guest's memory; returns the pointer and leaves the length in `lowered`. */
  lower(memory: GuestMemory, value: unknown): number
}

/** The length that goes with the pointer which a `SpanCodec.lower` has just returned. */
export const lowered = { length: 0 }

/** Pointers and lengths of 32 bits: see `Codec.flat` of strings and lists. */
export function spanCodec(span: SpanCodec): Codec {
  return {
    size: 8,
    align: 4,
    flat: ['i32', 'i32'],
    load: (memory, at) => span.lift(memory, memory.view.getUint32(at, true), memory.view.getUint32(at + 4, true)),
    store(memory, at, value) {
      // Lowering may move the views, so they are fetched afterwards.
      const pointer = span.lower(memory, value)
      const { length } = lowered
      memory.view.setUint32(at, pointer, true)
      memory.view.setUint32(at + 4, length, true)
    },
    lift: (memory, flat, at) => span.lift(memory, (flat[at] as number) >>> 0, (flat[at + 1] as number) >>> 0),
    lower(memory, value, flat) {
      flat.push(span.lower(memory, value))
      flat.push(lowered.length)
    },
    single: null,
    span,
  }
}

/** One more than the parameters that a function passes as core values (Canonical ABI, `MAX_FLAT_PARAMS`). */
export const maxFlat = 17

export const alignTo = (offset: number, align: number): number => (offset + align - 1) & -align
