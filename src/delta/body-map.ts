import type { BlockStack } from './block-stack.ts'
import { CodeReader } from './code-reader.ts'
import { expectedPad, Instruction, writeInstruction } from './instruction.ts'
import { Unsupported } from './limits.ts'
import type { LocalsMap } from './locals-map.ts'
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
  local: 11,
  label: 12,
  end: 13,
} as const

const wayOf: Readonly<Record<string, number>> = {
  '': Way.none,
  I: Way.leb,
  m: Way.leb,
  X: Way.leb,
  g: Way.leb,
  l: Way.local,
  L: Way.label,
  F: Way.func,
  G: Way.global,
  i: Way.i32,
  M: Way.memory,
  TX: Way.call,
  B: Way.block,
  f: Way.bytes4,
  d: Way.bytes8,
}

const ways = Uint8Array.from(signatures.slice(0, 256), (signature, op) => {
  return op === 0x0b ? Way.end : (wayOf[signature ?? 'unknown'] ?? Way.other)
})

const kindOf = new Uint8Array(16)
kindOf[Way.func] = Kind.func
kindOf[Way.global] = Kind.global
kindOf[Way.i32] = Kind.i32
kindOf[Way.memory] = Kind.offset
kindOf[Way.call] = Kind.type
kindOf[Way.block] = Kind.blockType
kindOf[Way.local] = Kind.local
kindOf[Way.label] = Kind.label

/** Lengths of instructions that are passed over without a look at their immediates, as long as those are in their one-byte form; 0 for others. */
function quickLengths(lowest: number, framed: boolean): Uint8Array {
  return Uint8Array.from(ways, (way) => {
    if (way === Way.none || (way === Way.end && !framed)) return 1
    if (way === Way.leb || ((way === Way.local || way === Way.label) && !framed)) return 2
    // No address has one byte.
    if (lowest > 0x7f && (way === Way.i32 || way === Way.memory)) return way === Way.i32 ? 2 : 3
    return 0
  })
}

/** What a body that is being edited adds to the maps of its module. */
export interface Frame {
  readonly locals: LocalsMap
  readonly blocks: BlockStack
}

/**
 * Writes old instructions as the maps would have them [D 5.3]: bytes are copied as they are up to the next immediate that changes. Most of a module goes
 * through here, so it reads LEB128 by itself.
 */
export class InstructionMapper {
  readonly #instruction = new Instruction()
  readonly #old: Uint8Array
  readonly #maps: Maps
  readonly #quick: { readonly plain: Uint8Array; readonly framed: Uint8Array }
  /** Instructions that the last call went over. */
  walked = 0

  constructor(old: Uint8Array, maps: Maps) {
    this.#old = old
    this.#maps = maps
    const { lowest, highest } = maps
    const first = highest === 0 ? Number.POSITIVE_INFINITY : lowest
    this.#quick = { plain: quickLengths(first, false), framed: quickLengths(first, true) }
  }

  /** A whole body. False where a thing that it refers to is gone; what was written is of no use then. */
  writeBody(body: Span, sink: Sink): boolean {
    const code = behindLocals(this.#old, body)
    sink.put(this.#old, body.start, code)
    return this.write(code, body.end, Number.POSITIVE_INFINITY, sink, null) === body.end
  }

  /**
   * Up to `most` instructions from `at` on, not behind the end of the body; within a frame locals and labels are mapped, too, and blocks are counted.
   * Answers where the next instruction begins, or -1 where a thing is gone.
   */
  write(from: number, end: number, most: number, sink: Sink, frame: Frame | null): number {
    const old = this.#old
    const maps = this.#maps
    const { lowest, highest } = maps
    let at = from
    let copied = from
    let left = most
    const quick = frame === null ? this.#quick.plain : this.#quick.framed
    while (at < end && left > 0) {
      const length = quick[old[at]!]!
      if (
        length === 1 ||
        (length === 2 && old[at + 1]! < 0x80) ||
        (length === 3 && old[at + 1]! < 0x40 && old[at + 2]! < 0x80)
      ) {
        at += length
        left--
        continue
      }
      const way = ways[old[at]!]!
      left--
      at++
      if (way === Way.none) continue
      if (way === Way.end) {
        if (frame === null) continue
        frame.blocks.close()
        if (frame.blocks.height < 0) break
        continue
      }
      if (way === Way.leb || ((way === Way.local || way === Way.label) && frame === null)) {
        while (old[at++]! >= 0x80);
        continue
      }
      if (way === Way.bytes4 || way === Way.bytes8) {
        at += way === Way.bytes4 ? 4 : 8
        continue
      }
      if (way === Way.other || (way === Way.memory && (old[at]! & 0xc0) !== 0)) {
        sink.put(old, copied, at - 1)
        at = this.#writeOther(at - 1, end, sink, frame)
        if (at < 0) return -1
        copied = at
        continue
      }
      if (way === Way.memory) at++
      const start = at
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
      if (way === Way.block && frame !== null) frame.blocks.open()
      if (way === Way.call) while (old[at++]! >= 0x80);
      const numeric = way === Way.i32 || way === Way.memory
      // Most constants aren't addresses, and most blocks have a type of their own.
      if (numeric ? value < lowest || value >= highest : way === Way.block && value < 0) continue
      const expected =
        way === Way.local
          ? frame!.locals.get(value)
          : way === Way.label
            ? frame!.blocks.label(value)
            : maps.predict(kindOf[way]!, value)
      if (expected === value) continue
      if (expected < 0 && !numeric) return -1
      const rest = way === Way.call ? behindLeb(old, start) : at
      sink.put(old, copied, start)
      copied = rest
      // Padded numbers keep their width as far as they can.
      const width = rest - start
      const padded = width > (signed ? slebLength(value) : ulebLength(value))
      const pad = padded ? Math.max(0, width - (signed ? slebLength(expected) : ulebLength(expected))) : 0
      if (signed) sink.sleb(expected, expected >> 31, pad)
      else sink.uleb(expected, pad)
    }
    if (at > end) throw new Unsupported('an instruction goes on behind its function')
    sink.put(old, copied, at)
    this.walked = most - left
    return at
  }

  /** An instruction that isn't worth a way of its own; answers where the next begins, or -1 where its thing is gone. */
  #writeOther(at: number, end: number, sink: Sink, frame: Frame | null): number {
    const reader = new CodeReader(this.#old, at, end)
    const instruction = this.#instruction
    reader.instruction(instruction)
    for (let i = 0; i < instruction.count; i++) {
      const kind = instruction.kind[i]!
      const value = instruction.low[i]!
      let expected = value
      if (kind === Kind.local || kind === Kind.label) {
        if (frame !== null) expected = kind === Kind.local ? frame.locals.get(value) : frame.blocks.label(value)
      } else expected = this.#maps.predict(kind, value)
      if (expected === value) continue
      if (expected < 0 && kind !== Kind.i32 && kind !== Kind.offset) return -1
      instruction.pad[i] = expectedPad(instruction, i, expected)
      instruction.low[i] = expected
    }
    if (instruction.op === 0x1f) frame?.blocks.open()
    writeInstruction(sink, instruction)
    return reader.at
  }
}

function behindLeb(bytes: Uint8Array, from: number): number {
  let at = from
  while (bytes[at++]! >= 0x80);
  return at
}

function behindLocals(old: Uint8Array, { start, end }: Span): number {
  const reader = new CodeReader(old, start, end)
  for (let left = reader.uleb(); left > 0; left--) {
    reader.uleb()
    reader.sleb64()
  }
  return reader.at
}
