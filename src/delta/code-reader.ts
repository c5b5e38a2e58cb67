import type { Instruction } from './instruction.ts'
import { plainKinds, shape } from './instruction.ts'
import { Unsupported } from './limits.ts'
import { Kind, mostSubOpcodes, prefixed } from './opcodes.ts'
import { slebLength, ulebLength } from './sink.ts'

/** Loads and stores, which are most of what has two immediates. */
const firstMemory = 0x28
const lastMemory = 0x3e

/**
 * Reads a module for the delta: unlike `ByteReader` it keeps 64-bit numbers in two halves and counts padding, as fast as it can.
 *
 * @throws Unsupported where the bytes end or aren't of a form that can be written again
 */
export class CodeReader {
  readonly bytes: Uint8Array
  at: number
  readonly end: number
  /** Of the number that was read last: its padding, and its halves where it has 64 bits. */
  pad = 0
  low = 0
  high = 0
  #into: Instruction | null = null
  readonly #put = (kind: number): number => this.#immediate(this.#into!, kind)

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  get done(): boolean {
    return this.at >= this.end
  }

  byte(): number {
    if (this.at >= this.end) throw new Unsupported('the bytes end')
    return this.bytes[this.at++]!
  }

  skip(count: number): void {
    if (count > this.end - this.at) throw new Unsupported('the bytes end')
    this.at += count
  }

  uleb(): number {
    const from = this.at
    // Most numbers have one byte.
    if (from < this.end && this.bytes[from]! < 0x80) {
      this.pad = 0
      return this.bytes[this.at++]!
    }
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      if (shift === 28 && byte > 0x0f) throw new Unsupported('a number is over 32 bits')
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    this.pad = this.at - from - ulebLength(value)
    return value >>> 0
  }

  /** Up to 32 bits, signed. */
  sleb(): number {
    const first = this.at < this.end ? this.bytes[this.at]! : 0x80
    if (first < 0x80) {
      this.at++
      this.pad = 0
      return (first << 25) >> 25
    }
    this.sleb64()
    if (this.high !== this.low >> 31) throw new Unsupported('a number is over 32 bits')
    return this.low
  }

  /** Up to 64 bits, signed, into `low` and `high`. */
  sleb64(): void {
    let low = 0
    let high = 0
    const from = this.at
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      const digit = byte & 0x7f
      if (shift < 28) low |= digit << shift
      else if (shift === 28) {
        low |= digit << 28
        high = digit >> 4
      } else high |= digit << (shift - 32)
      if (byte >= 0x80) {
        if (shift === 63) throw new Unsupported('a number is over 64 bits')
        continue
      }
      if (shift === 63 && digit !== 0 && digit !== 0x7f) throw new Unsupported('a number is over 64 bits')
      if (digit & 0x40) {
        const bits = shift + 7
        if (bits < 32) {
          low |= -1 << bits
          high = -1
        } else if (bits < 64) high |= -1 << (bits - 32)
      }
      break
    }
    this.low = low
    this.high = high
    this.pad = this.at - from - slebLength(low, high)
  }

  /** The next instruction, into `into`. */
  instruction(into: Instruction): void {
    let op = this.byte()
    if (op === 0xfc || op === 0xfd || op === 0xfe) {
      const sub = this.uleb()
      if (sub >= mostSubOpcodes || this.pad > 0) throw new Unsupported('an opcode')
      op = (op === 0xfc ? prefixed.fc : op === 0xfd ? prefixed.fd : prefixed.fe) + sub
    }
    into.op = op
    into.count = 0
    const kinds = plainKinds[op]
    if (kinds !== undefined) {
      for (let i = 0; i < kinds.length; i++) this.#immediate(into, kinds[i]!)
      return
    }
    if (op >= firstMemory && op <= lastMemory) {
      this.#memory(into)
      return
    }
    this.#into = into
    shape(op, this.#put)
  }

  /** A memory argument. */
  #memory(into: Instruction): void {
    const align = this.uleb()
    into.add(Kind.align, align | 0, 0, this.pad)
    if (align & 0x40) into.add(Kind.memory, this.uleb() | 0, 0, this.pad)
    into.add(Kind.offset, this.uleb() | 0, 0, this.pad)
  }

  #immediate(into: Instruction, kind: number): number {
    switch (kind) {
      case Kind.blockType:
      case Kind.heapType:
      case Kind.valueType:
      case Kind.i32:
        into.add(kind, this.sleb(), 0, this.pad)
        break
      case Kind.i64:
        this.sleb64()
        into.add(kind, this.low, this.high, this.pad)
        break
      case Kind.f32:
      case Kind.v128:
        into.add(kind, this.word())
        break
      case Kind.f64: {
        const low = this.word()
        into.add(kind, low, this.word())
        break
      }
      case Kind.lane:
      case Kind.catchKind:
        into.add(kind, this.byte())
        break
      default:
        into.add(kind, this.uleb() | 0, 0, this.pad)
    }
    return into.low[into.count - 1]!
  }

  word(): number {
    const at = this.at
    this.skip(4)
    const bytes = this.bytes
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
  }
}
