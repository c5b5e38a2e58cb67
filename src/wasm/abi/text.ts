import { type Codec, lowered, spanCodec } from './codec.ts'
import type { GuestMemory } from './memory.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** Up to this length plain ASCII is faster byte by byte than through the engine's codecs, whose calls have a price of their own. */
const shortText = 16
/** Up to this length it is cheaper to count the bytes first than to encode into an array of their own. */
const mediumText = 1024

function liftText(memory: GuestMemory, pointer: number, length: number): string {
  const at = memory.checkLifted(pointer, 1, length)
  const text = length <= shortText ? shortAscii(memory.u8, at, at + length) : null
  return text ?? decode(memory, at, at + length)
}

/** Null if it isn't ASCII. Four characters at a time, since each call and each joining of strings costs. */
function shortAscii(u8: Uint8Array, at: number, end: number): string | null {
  let text = ''
  let index = at
  for (; index + 4 <= end; index += 4) {
    const a = u8[index]!
    const b = u8[index + 1]!
    const c = u8[index + 2]!
    const d = u8[index + 3]!
    if ((a | b | c | d) >= 0x80) return null
    text += String.fromCharCode(a, b, c, d)
  }
  for (; index < end; index++) {
    const byte = u8[index]!
    if (byte >= 0x80) return null
    text += String.fromCharCode(byte)
  }
  return text
}

function decode(memory: GuestMemory, at: number, end: number): string {
  try {
    return decoder.decode(memory.u8.subarray(at, end))
  } catch (cause) {
    // TypeError, and nothing more to learn from it; other errors would be our own.
    if (!(cause instanceof TypeError)) throw cause
    throw memory.trap(`the ${end - at} bytes at ${at} are not UTF-8`)
  }
}

/** One allocation of the exact size: guests needn't be able to shrink what they gave. */
function lowerText(memory: GuestMemory, value: unknown): number {
  if (typeof value !== 'string') throw memory.wrong('a string', value)
  const { length } = value
  if (length > mediumText) return lowerLong(memory, encoder.encode(value))
  const size = utf8Length(value)
  const pointer = memory.allocate(1, size)
  const { u8 } = memory
  if (size === length && length <= 4 * shortText) {
    for (let index = 0; index < length; index++) u8[pointer + index] = value.charCodeAt(index)
  } else encoder.encodeInto(value, u8.subarray(pointer, pointer + size))
  lowered.length = size
  return pointer
}

function lowerLong(memory: GuestMemory, bytes: Uint8Array): number {
  const pointer = memory.allocate(1, bytes.length)
  memory.u8.set(bytes, pointer)
  lowered.length = bytes.length
  return pointer
}

/** Bytes of UTF-8; a lone surrogate is written as U+FFFD, three bytes like itself. */
function utf8Length(text: string): number {
  let size = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) continue
    size += unit < 0x800 ? 1 : 2
    // A pair of surrogates is four bytes: two units, and two more.
    if (unit >= 0xd800 && unit < 0xdc00) {
      const next = text.charCodeAt(index + 1)
      if (next >= 0xdc00 && next < 0xe000) index++
    }
  }
  return size
}

export const stringCodec: Codec = spanCodec({ lift: liftText, lower: lowerText })
