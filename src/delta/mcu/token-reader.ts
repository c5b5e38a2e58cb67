import { malformed } from '../limits.ts'
import { Kind } from '../opcodes.ts'
import { MapKind, TokenKind } from './kinds.ts'
import { type McuState, Slot } from './state.ts'

/** The old module where it lies: bytes from an offset on, at most `length`. */
export type ReadOld = (offset: number, length: number) => Uint8Array

/** Tokens of the old module, one at a time, into the state: bytes as they are, and numbers as the maps would have them [D 10.5]. */
export class TokenReader {
  readonly #state: McuState
  readonly #read: ReadOld
  readonly #size: number

  constructor(state: McuState, read: ReadOld, size: number) {
    this.#state = state
    this.#read = read
    this.#size = size
  }

  byteAt(offset: number): number {
    const { slots, window } = this.#state
    const from = slots[Slot.windowAt]!
    if (offset >= from && offset < from + slots[Slot.windowLength]!) return window[offset - from]!
    if (offset < 0 || offset >= this.#size) return 0
    const bytes = this.#read(offset, Math.min(window.length, this.#size - offset))
    window.set(bytes.subarray(0, window.length))
    slots[Slot.windowAt] = offset
    slots[Slot.windowLength] = Math.min(bytes.length, window.length)
    if (bytes.length === 0) throw malformed('the old module can not be read')
    return window[0]!
  }

  /** An unsigned LEB128 of up to 32 bits at `Slot.at`, which goes behind it. */
  uleb(): number {
    const { slots } = this.#state
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byteAt(slots[Slot.at]!)
      slots[Slot.at]!++
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    return value >>> 0
  }

  /** A byte as it is. */
  raw(kind: number): number {
    const { slots, token } = this.#state
    const byte = this.byteAt(slots[Slot.at]!++)
    token[0] = byte
    slots[Slot.tokenLength] = 1
    slots[Slot.tokenKind] = kind
    return byte
  }

  /** A number of items, kept in `Slot.count`. */
  count(): void {
    this.#state.slots[Slot.count] = this.leb(TokenKind.count)
  }

  /** A byte at a stretch of `Slot.count`; false where it is over. */
  stretch(kind: number): boolean {
    const { slots } = this.#state
    if (slots[Slot.count]! <= 0) return false
    slots[Slot.count]!--
    this.raw(kind)
    return true
  }

  /** A word of four bytes, mapped. */
  word(map: number): void {
    const { slots, token } = this.#state
    let word = 0
    for (let i = 0; i < 4; i++) word |= this.byteAt(slots[Slot.at]!++) << (8 * i)
    const mapped = this.#map(map, word)
    for (let i = 0; i < 4; i++) token[i] = mapped >>> (8 * i)
    slots[Slot.tokenLength] = 4
    slots[Slot.tokenKind] = TokenKind.raw
  }

  /** An opcode; `prefixed` makes one number of those with a prefix. */
  opcode(prefixed: (prefix: number, sub: number) => number): number {
    const { slots, token } = this.#state
    const from = slots[Slot.at]!
    const op = this.raw(TokenKind.op)
    if (op < 0xfc || op > 0xfe) return op
    const all = prefixed(op, this.uleb())
    for (let i = from; i < slots[Slot.at]!; i++) token[i - from] = this.byteAt(i)
    slots[Slot.tokenLength] = slots[Slot.at]! - from
    return all
  }

  /** A number, or a byte where its kind is written in bytes; mapped by its kind. Answers the old one. */
  leb(kind: number): number {
    if (kind === Kind.f64 || kind === Kind.lane) return this.raw(kind)
    const { slots, token } = this.#state
    let value = 0
    let width = 0
    let byte = 0
    do {
      byte = this.byteAt(slots[Slot.at]!++)
      token[width] = byte
      if (width < 5) value |= (byte & 0x7f) << (7 * width)
      width++
    } while (byte >= 0x80 && width < 10)
    slots[Slot.tokenLength] = width
    slots[Slot.tokenKind] = kind
    const signed = kind === Kind.i32 || kind === Kind.blockType
    if (signed && width < 5 && byte & 0x40) value |= -1 << (7 * width)
    const mapped = this.#mapped(kind, value)
    if (mapped !== value && width <= 5) this.#put(mapped, signed, width)
    return value
  }

  #mapped(kind: number, value: number): number {
    switch (kind) {
      case Kind.func:
        return this.#map(MapKind.functions, value)
      case Kind.type:
      case Kind.blockType:
        return this.#map(MapKind.types, value)
      case Kind.global:
        return this.#map(MapKind.globals, value)
      case Kind.i32:
      case Kind.offset:
        return this.#map(MapKind.addresses, value)
      default:
        return value
    }
  }

  /** A number moved as the last run at or below it says; negative ones, and those before the first run, stay. */
  #map(kind: number, value: number): number {
    const { slots, runs } = this.#state
    if (value < 0) return value
    const first = kind === 0 ? 0 : slots[Slot.typesEnd + kind - 1]!
    let low = first - 1
    let high = (kind === MapKind.addresses ? slots[Slot.mapsUsed]! : slots[Slot.typesEnd + kind]!) - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (runs[middle * 2]! <= value) low = middle
      else high = middle - 1
    }
    return low < first ? value : (value + runs[low * 2 + 1]!) | 0
  }

  /** A mapped number in the token; a padded one keeps its width. */
  #put(value: number, signed: boolean, width: number): void {
    const { slots, token } = this.#state
    const padded = width > 1 && (token[width - 1] === 0 || (signed && token[width - 1] === 0x7f))
    let rest = value
    let at = 0
    for (;;) {
      const digit = rest & 0x7f
      rest = signed ? rest >> 7 : rest >>> 7
      const done = signed ? (rest === 0 && !(digit & 0x40)) || (rest === -1 && !!(digit & 0x40)) : rest === 0
      if (done && !(padded && at + 1 < width)) {
        token[at++] = digit
        break
      }
      token[at++] = digit | 0x80
    }
    slots[Slot.tokenLength] = at
  }
}
