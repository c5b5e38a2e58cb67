import { CodeReader } from './code-reader.ts'
import { expectedPad, Instruction, writeInstruction } from './instruction.ts'
import { Unsupported } from './limits.ts'
import type { Maps } from './maps.ts'
import type { Span } from './module.ts'
import { Kind, signatures } from './opcodes.ts'
import { type Sink, slebLength, ulebLength } from './sink.ts'

/** How the immediates of an opcode are passed over: what has to be mapped, and how long the rest is. */
const Way = {
  none: 0,
  leb: 1,
  func: 2,
  global: 3,
  i32: 4,
  memory: 5,
  call: 6,
  block: 7,
  bytes4: 8,
  bytes8: 9,
  other: 10,
} as const

const ways = Uint8Array.from(signatures.slice(0, 256), (signature) => {
  switch (signature) {
    case '':
      return Way.none
    case 'L':
    case 'l':
    case 'I':
    case 'm':
    case 'X':
    case 'g':
      return Way.leb
    case 'F':
      return Way.func
    case 'G':
      return Way.global
    case 'i':
      return Way.i32
    case 'M':
      return Way.memory
    case 'TX':
      return Way.call
    case 'B':
      return Way.block
    case 'f':
      return Way.bytes4
    case 'd':
      return Way.bytes8
    default:
      return Way.other
  }
})

/**
 * Writes old bodies as the maps would have them [D 5.3]: bytes are copied as they are up to the next immediate that changes. Most of a module goes
 * through here, so it reads LEB128 by itself.
 */
export class BodyMapper {
  readonly #instruction = new Instruction()
  readonly #old: Uint8Array
  readonly #maps: Maps

  constructor(old: Uint8Array, maps: Maps) {
    this.#old = old
    this.#maps = maps
  }

  /** False where a thing that the body refers to is gone; what was written is of no use then. */
  write(body: Span, sink: Sink): boolean {
    const old = this.#old
    const maps = this.#maps
    const { lowest, highest } = maps
    const { end } = body
    let at = behindLocals(old, body)
    let copied = body.start
    while (at < end) {
      const way = ways[old[at]!]!
      at++
      if (way === Way.none) continue
      if (way === Way.leb) {
        while (old[at]! >= 0x80) at++
        at++
        continue
      }
      if (way === Way.bytes4 || way === Way.bytes8) {
        at += way === Way.bytes4 ? 4 : 8
        continue
      }
      if (way === Way.other) {
        sink.put(old, copied, at - 1)
        at = this.#writeOther(at - 1, end, sink)
        copied = at
        if (at < 0) return false
        continue
      }
      let kind: number =
        way === Way.func ? Kind.func : way === Way.global ? Kind.global : way === Way.i32 ? Kind.i32 : Kind.type
      if (way === Way.block) kind = Kind.blockType
      if (way === Way.memory) {
        if ((old[at]! & 0xc0) !== 0) {
          sink.put(old, copied, at - 1)
          at = this.#writeOther(at - 1, end, sink)
          copied = at
          continue
        }
        at++
        kind = Kind.offset
      }
      const from = at
      let value = 0
      let shift = 0
      let byte = 0
      do {
        byte = old[at++]!
        value |= (byte & 0x7f) << shift
        shift += 7
      } while (byte >= 0x80 && shift < 70)
      const signed = way === Way.i32 || way === Way.block
      if (signed && shift < 32 && byte & 0x40) value |= -1 << shift
      // Most constants aren't addresses.
      if ((kind === Kind.i32 || kind === Kind.offset) && (value < lowest || value >= highest)) continue
      const expected = maps.predict(kind, value)
      if (expected !== value) {
        if (expected < 0 && kind !== Kind.i32 && kind !== Kind.offset) return false
        sink.put(old, copied, from)
        copied = at
        // Padded numbers keep their width as far as they can.
        const padded = at - from > (signed ? slebLength(value) : ulebLength(value))
        const width = signed ? slebLength(expected) : ulebLength(expected)
        const pad = padded ? Math.max(0, at - from - width) : 0
        if (signed) sink.sleb(expected, expected >> 31, pad)
        else sink.uleb(expected, pad)
      }
      if (way === Way.call) {
        while (old[at]! >= 0x80) at++
        at++
      }
    }
    if (at !== end) throw new Unsupported('an instruction goes on behind its function')
    sink.put(old, copied, end)
    return true
  }

  /** An instruction that isn't worth a way of its own; answers where the next begins, or -1 where its thing is gone. */
  #writeOther(at: number, end: number, sink: Sink): number {
    const reader = new CodeReader(this.#old, at, end)
    const instruction = this.#instruction
    reader.instruction(instruction)
    for (let i = 0; i < instruction.count; i++) {
      const kind = instruction.kind[i]!
      const value = instruction.low[i]!
      const expected = this.#maps.predict(kind, value)
      if (expected === value) continue
      if (expected < 0 && kind !== Kind.i32 && kind !== Kind.offset) return -1
      instruction.pad[i] = expectedPad(instruction, i, expected)
      instruction.low[i] = expected
    }
    writeInstruction(sink, instruction)
    return reader.at
  }
}

function behindLocals(old: Uint8Array, { start, end }: Span): number {
  const reader = new CodeReader(old, start, end)
  for (let left = reader.uleb(); left > 0; left--) {
    reader.uleb()
    reader.sleb64()
  }
  return reader.at
}
