import type { ByteCodec } from './byte-codec.ts'
import { ByteIndex } from './byte-edits.ts'
import { context } from './contexts.ts'
import { malformed } from './limits.ts'
import type { Maps, Plan } from './maps.ts'
import type { Module, Section } from './module.ts'
import type { NumberCoder } from './numbers.ts'
import type { Sink } from './sink.ts'

/** What the codecs of a module's sections share. */
export interface Parts {
  readonly numbers: NumberCoder
  readonly bytes: ByteCodec
  readonly old: Module
  /** The new module; null in the decoder. */
  readonly now: Module | null
  readonly plan: Plan
  readonly maps: Maps
  readonly sink: Sink
  /** Where a function of a table's slot went, or -1; filled by the element section, used by the data section [D 4.8]. */
  slots: Int32Array
}

/** Windows by which moved bytes are found. */
export const window = 6

export const contentOf = (module: Module, section: Section): Uint8Array =>
  module.bytes.subarray(section.start, section.end)

/** A count that differs from an expected one; at most `most`. */
export function codeCount(
  parts: Parts,
  place: number,
  sub: number,
  expected: number,
  given: number,
  most: number,
): number {
  const told = expected + parts.numbers.sint(context(place, sub), (given - expected) | 0)
  if (told < 0 || told > most) throw malformed(`it counts ${told} things where at most ${most} can be`)
  return told
}

/** Any bytes, from the bytes that stood there. */
export function* codeBytes(
  parts: Parts,
  was: Uint8Array,
  now: Uint8Array | null,
  count: number,
  sink = parts.sink,
): Generator<void, void, void> {
  const target = now === null ? null : { bytes: now, index: was.length > 64 ? new ByteIndex(was, window) : null }
  yield* parts.bytes.code(was, 0, count, target, sink)
}
