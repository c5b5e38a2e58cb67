import { type Codec, lowered, spanCodec } from './codec.ts'
import type { GuestMemory } from './memory.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** Up to this length plain ASCII is faster byte by byte than through the engine's codecs, whose calls have a price of their own. */
const shortText = 24

function liftText(memory: GuestMemory, pointer: number, length: number): string {
  const at = memory.checkLifted(pointer, 1, length)
  const { u8 } = memory
  const end = at + length
  if (length <= shortText) {
    let text = ''
    for (let index = at; index < end; index++) {
      const byte = u8[index]!
      if (byte >= 0x80) return decode(memory, at, end)
      text += String.fromCharCode(byte)
    }
    return text
  }
  return decode(memory, at, end)
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

function lowerText(memory: GuestMemory, value: unknown): number {
  if (typeof value !== 'string') throw memory.wrong('a string', value)
  const { length } = value
  if (length <= shortText && isAscii(value)) {
    const pointer = memory.allocate(1, length)
    const { u8 } = memory
    for (let index = 0; index < length; index++) u8[pointer + index] = value.charCodeAt(index)
    lowered.length = length
    return pointer
  }
  // Encoded first, so that one allocation of the exact size does: guests needn't be able to shrink.
  const bytes = encoder.encode(value)
  const pointer = memory.allocate(1, bytes.length)
  memory.u8.set(bytes, pointer)
  lowered.length = bytes.length
  return pointer
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) >= 0x80) return false
  return true
}

export const stringCodec: Codec = spanCodec({ lift: liftText, lower: lowerText })
