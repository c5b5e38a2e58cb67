import { type CodeMemory, ownLocal, ownOpcodes } from './code-memory.ts'
import type { Coder } from './coder.ts'
import { context, Place, quickContext } from './contexts.ts'
import { copyImmediates, type Instruction, sameImmediates, shape, shapeSteps } from './instruction.ts'
import type { Maps } from './maps.ts'
import type { NumberCoder } from './numbers.ts'
import type { NumbersMap } from './numbers-map.ts'
import { isFixed, Kind, prefixed, prefixOf } from './opcodes.ts'

/** How many things of a kind the new module has: an index needs as many bits [D 5.8]. */
export interface IndexSpaces {
  readonly functions: number
  readonly globals: number
  readonly types: number
}

/** Local indices from here on are told behind an escape. */
const manyLocals = 255

/** Numbers below this aren't taken for addresses where they are inserted. */
const leastAddress = 1024

/** Opcodes and immediates that no prediction tells, from the instructions before them [D 5.8]. */
export class ImmediateCoder {
  readonly #numbers: NumberCoder
  readonly #coder: Coder
  readonly #maps: Maps
  readonly #spaces: IndexSpaces
  readonly #memory: CodeMemory
  /** Whether numbers of the modules are padded at all. */
  readonly #padded: boolean
  /** The last three opcodes, ten bits each. */
  #opcodes = 0
  #local = 0
  #before = 0
  /** How far the last address moved that no run told. */
  #shift = 0
  #constant = 0
  #offset = 0

  constructor(numbers: NumberCoder, maps: Maps, memory: CodeMemory, spaces: IndexSpaces, padded: boolean) {
    this.#numbers = numbers
    this.#coder = numbers.coder
    this.#maps = maps
    this.#memory = memory
    this.#spaces = spaces
    this.#padded = padded
  }

  /** What an instruction tells for the next ones. */
  remember(instruction: Instruction): void {
    this.#memory.push(instruction)
    this.#opcodes = ((this.#opcodes << 10) | instruction.op) & 0x3fffffff
    for (let i = 0; i < instruction.count; i++) {
      const kind = instruction.kind[i]!
      if (kind === Kind.local) {
        this.#before = ((this.#local << 11) | instruction.low[i]!) & 0xfffffff
        this.#local = instruction.low[i]!
      } else if (kind === Kind.i32) this.#constant = instruction.low[i]!
      else if (kind === Kind.offset) this.#offset = instruction.low[i]!
    }
  }

  /** A whole instruction, where `expected` is the old opcode at this place, or -1. */
  *insert(now: Instruction, expected: number): Generator<void, void, void> {
    const given = this.#numbers.encoding
    this.#memory.predict()
    now.op = this.#opcode(now.op, expected)
    const told = this.#asExpected(now)
    this.#memory.learn(now.op)
    if (told) return
    if (given) {
      for (let i = 0; i < now.count; i++) this.#field(now, i)
      return
    }
    now.count = 0
    const { op } = now
    if (op !== 0x0e && op !== 0x1c && op !== 0x1f) {
      shape(op, (kind) => this.#append(now, kind))
      return
    }
    // Immediates without an end: the kinds are collected first, as far as each depends on those before.
    const gathering = shapeSteps(op)
    for (let kind = gathering.next(0); !kind.done; ) {
      while (this.#coder.starved) yield
      kind = gathering.next(this.#append(now, kind.value))
    }
  }

  /** Whether all immediates are those of an old instruction that is expected here [D 5.9]; they are then. */
  #asExpected(now: Instruction): boolean {
    const coder = this.#coder
    const { models } = this.#memory
    let tried: Instruction | null = null
    for (const which of [1, 0] as const) {
      const { expected, length } = models[which]
      if (expected.op !== now.op || expected.count === 0) continue
      if (tried !== null && sameImmediates(tried, expected)) continue
      const place = tried === null ? 1 : 2
      tried = expected
      coder.contexts[0] = context(Place.immediate, 77 + which, Math.min(length, 7), place)
      coder.contexts[1] = context(Place.immediate, 79 + which, now.op, place)
      coder.contexts[2] = context(Place.immediate, 81 + which, now.op, expected.low[expected.count - 1]!)
      const same = coder.encoding && sameImmediates(expected, now)
      if (coder.mix(3, 0, 80 + which, same ? 1 : 0) === 0) continue
      if (!coder.encoding) copyImmediates(expected, now)
      return true
    }
    return false
  }

  #append(now: Instruction, kind: number): number {
    const i = now.count
    now.add(kind, 0)
    this.#field(now, i)
    return now.low[i]!
  }

  #opcode(given: number, expected: number): number {
    const one = this.#opcodes & 0x3ff
    const { contexts } = this.#coder
    contexts[0] = quickContext(0x52dce729, one)
    contexts[1] = quickContext(0x38495ab5, this.#opcodes & 0xfffff)
    contexts[2] = quickContext(0x2127599b, expected)
    contexts[3] = quickContext(0x61c88647, 0)
    contexts[4] = quickContext(0x45d9f3b1, (this.#local << 11) | one)
    const { body, models } = this.#memory
    contexts[5] = quickContext(0x3ab1f9c5, (models[0].expected.op << 4) | models[0].length)
    contexts[6] = quickContext(0x7b21f9e7, (models[1].expected.op << 4) | models[1].length)
    contexts[7] = ownOpcodes(body, this.#opcodes)
    const { fc, fd, fe } = prefixed
    const first = this.#numbers.mixedTree(8, expected < 0 ? 16 : 17, 8, prefixOf(given))
    if (first < 0xfc || first > 0xfe) return first
    const base = first === 0xfc ? fc : first === 0xfd ? fd : fe
    return base + this.#numbers.tree(context(Place.opcode, first, 5), 9, given - base)
  }

  /** An immediate that isn't as expected. */
  change(now: Instruction, i: number, expected: number, old: number): void {
    const kind = now.kind[i]!
    const given = this.#numbers.encoding ? now.low[i]! : 0
    if (kind === Kind.i32 || kind === Kind.offset) {
      const stays = old !== expected && this.#numbers.flag(context(Place.immediate, kind, 0), given === old)
      now.low[i] = stays ? old : this.#otherAddress(kind, given, expected, old)
      this.#pad(now, i)
    } else if (kind === Kind.local) {
      now.low[i] = this.#codeLocal(now.op, given, expected, old)
      this.#pad(now, i)
    } else if (kind === Kind.func || kind === Kind.global || kind === Kind.type) this.#field(now, i)
    else this.#plain(now, i, context(Place.immediate, kind, 2))
  }

  /** An address that isn't where the runs have it: mostly it moved as far as the last such one. */
  #otherAddress(kind: number, given: number, expected: number, old: number): number {
    const numbers = this.#numbers
    const near = (old + this.#shift) | 0
    if (near !== expected && near !== old && numbers.flag(context(Place.immediate, kind, 8), given === near))
      return near
    const to = (expected + numbers.sint(context(Place.immediate, kind, 9), (given - expected) | 0)) | 0
    this.#shift = (to - old) | 0
    return to
  }

  /** A number that is no address, and changes. */
  changeNumber(now: Instruction, i: number, old: number, known: NumbersMap): void {
    const numbers = this.#numbers
    const kind = now.kind[i]!
    const given = numbers.encoding ? now.low[i]! : 0
    const { first, second, firstSure, secondSure } = known
    if (
      firstSure > 0 &&
      first !== old &&
      numbers.flag(context(Place.immediate, firstSure, secondSure, 5), given === first)
    )
      now.low[i] = first
    else if (
      secondSure > 0 &&
      second !== old &&
      (firstSure === 0 || first !== second) &&
      numbers.flag(context(Place.immediate, firstSure, kind, 6), given === second)
    )
      now.low[i] = second
    else {
      now.low[i] =
        (old +
          numbers.mixedSint(
            context(Place.immediate, kind, 1),
            context(Place.immediate, now.op, 7),
            (given - old) | 0,
          )) |
        0
    }
    this.#pad(now, i)
  }

  /** An immediate of an inserted instruction. */
  #field(now: Instruction, i: number): void {
    const numbers = this.#numbers
    const kind = now.kind[i]!
    const given = numbers.encoding ? now.low[i]! : 0
    const { op } = now
    switch (kind) {
      case Kind.local:
        now.low[i] = this.#codeLocal(op, given, -1, -1)
        break
      case Kind.func:
      case Kind.global:
      case Kind.type:
        now.low[i] = this.#codeIndex(kind, given)
        break
      case Kind.i32: {
        const near = given >= this.#maps.lowest && this.#maps.highest > 0 && given >= leastAddress
        const one = this.#opcodes & 0x3ff
        now.low[i] = numbers.flag(context(Place.constant, one), near)
          ? (this.#constant + numbers.sint(context(Place.constant, 0, 1), (given - this.#constant) | 0)) | 0
          : numbers.mixedSint(context(Place.constant, 0, 2), context(Place.constant, one, 3, this.#local), given)
        break
      }
      case Kind.offset:
        now.low[i] =
          numbers.mixedUint(context(Place.offset, op), context(Place.offset, this.#offset, 1, this.#local), given) | 0
        break
      case Kind.align:
        now.low[i] = numbers.tree(context(Place.immediate, op, 3), 8, given & 0xff)
        break
      default:
        this.#plain(now, i, context(Place.immediate, kind, 4, op))
        return
    }
    this.#pad(now, i)
  }

  #plain(now: Instruction, i: number, ctx: number): void {
    const numbers = this.#numbers
    const kind = now.kind[i]!
    const given = numbers.encoding
    if (kind === Kind.label || kind === Kind.count) now.low[i] = numbers.uint(ctx, given ? now.low[i]! : 0) | 0
    else now.low[i] = numbers.sint(ctx, given ? now.low[i]! : 0)
    if (kind === Kind.i64 || kind === Kind.f64) {
      const sign = now.low[i]! >> 31
      now.high[i] = numbers.sint(ctx + 1, given ? now.high[i]! ^ sign : 0) ^ sign
    } else now.high[i] = 0
    this.#pad(now, i)
  }

  #pad(now: Instruction, i: number): void {
    const kind = now.kind[i]!
    if (!this.#padded || isFixed(kind)) {
      now.pad[i] = 0
      return
    }
    const given = this.#numbers.encoding ? now.pad[i]! : 0
    const is = this.#numbers.flag(context(Place.pad, kind, now.op), given > 0)
    now.pad[i] = is ? this.#numbers.tree(context(Place.pad, kind, 0, 1), 4, given) : 0
  }

  /** A local that isn't as expected; -1 where none is. */
  #codeLocal(op: number, given: number, expected: number, old: number): number {
    const { contexts } = this.#coder
    contexts[0] = quickContext(0x7feb352d, op)
    contexts[1] = quickContext(0x68e31da4, (this.#local << 11) | op)
    contexts[2] = quickContext(0x1b56c4e9, this.#opcodes & 0xfffff)
    contexts[3] = quickContext(0x0c2b2ae3, expected)
    contexts[4] = quickContext(0x5851f42d, Math.imul(expected, 0x165667b1) ^ this.#local)
    contexts[5] = ownLocal(this.#memory.body, this.#local, op)
    const { body } = this.#memory
    contexts[6] = quickContext(
      0x2f6b8d31,
      ((old < 0 ? this.#opcodes & 0xfffff : old + 0x100000) + Math.imul(body, 0x9e3779b1)) | 0,
    )
    contexts[7] = quickContext(0x1d872b41, old < 0 ? this.#before : (old << 10) ^ expected)
    const local = this.#numbers.mixedTree(8, 32, 8, given >>> 0 >= manyLocals ? manyLocals : given)
    return local < manyLocals
      ? local
      : manyLocals + (this.#numbers.uint(context(Place.local, 0, 3), given - manyLocals) | 0)
  }

  #codeIndex(kind: number, given: number): number {
    const { functions, globals, types } = this.#spaces
    const bits = Math.max(
      1,
      32 - Math.clz32((kind === Kind.func ? functions : kind === Kind.global ? globals : types) - 1),
    )
    const beyond = given >>> 0 >= 2 ** bits
    if (this.#numbers.flag(context(Place.index, kind), beyond))
      return this.#numbers.uint(context(Place.index, kind, 1), given) | 0
    const { contexts } = this.#coder
    contexts[0] = context(Place.index, kind, 2)
    contexts[1] = context(Place.index, kind, 3, this.#opcodes & 0x3ff)
    return this.#numbers.mixedTree(2, 33, bits, given)
  }
}
