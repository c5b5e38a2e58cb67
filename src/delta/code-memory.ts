import { CodeReader } from './code-reader.ts'
import type { Coder } from './coder.ts'
import { quickContext } from './contexts.ts'
import { Instruction } from './instruction.ts'
import type { Maps } from './maps.ts'
import { Kind, prefixOf } from './opcodes.ts'

/** Places of each table, as a power of two [D 5.9]. */
const slotBits = 16
const longestMatch = 15

/** The instruction that a model expects next. */
interface Model {
  /** Where an instruction of an old body begins that came behind such ones, and where that body ends. */
  readonly places: Int32Array
  readonly ends: Int32Array
  readonly expected: Instruction
  /** Where the one that is expected begins, or -1; and the one behind it. */
  at: number
  end: number
  next: number
  /** Instructions at a stretch that it told rightly. */
  length: number
}

const model = (): Model => ({
  places: new Int32Array(1 << slotBits).fill(-1),
  ends: new Int32Array(1 << slotBits),
  expected: new Instruction(),
  at: -1,
  end: 0,
  next: -1,
  length: 0,
})

/** No opcode. */
const nothing = 0x7ff

/** What an instruction is told by: its opcode and its first immediates; labels differ too often. */
function keyOf(instruction: Instruction): number {
  let key = instruction.op
  for (let i = 0; i < instruction.count && i < 4; i++) {
    const value = instruction.kind[i] === Kind.label ? 0 : instruction.low[i]!
    key = Math.imul(key ^ value, 0x9e3779b1) ^ (key >>> 15)
  }
  return key
}

/** The last instructions of a body. */
class Trail {
  #ops = [0, 0, 0]
  #keys = [0, 0]

  push(instruction: Instruction): void {
    this.#ops = [instruction.op, this.#ops[0]!, this.#ops[1]!]
    this.#keys = [keyOf(instruction), this.#keys[0]!]
  }

  /** By the last three opcodes. */
  get byOps(): number {
    const [one, two, three] = this.#ops as [number, number, number]
    return slot(Math.imul(one, 0x2c1b3c6d) ^ Math.imul(two + 7, 0x297a2d39) ^ Math.imul(three + 99, 0x165667b1))
  }

  /** By the last two instructions. */
  get byKeys(): number {
    const [one, two] = this.#keys as [number, number]
    return slot(Math.imul(one, 0x2c1b3c6d) ^ Math.imul((two + 7) | 0, 0x297a2d39))
  }
}

const slot = (hash: number): number => Math.imul(hash, 0x9e3779b1) >>> (32 - slotBits)

/** Contexts of one body, taught from the old one that it follows [D 5.9]. */
const bodySeed = (body: number): number => Math.imul(body, 0x9e3779b1)
export const ownOpcodes = (body: number, opcodes: number): number =>
  quickContext(0x2e3d4c5b, ((opcodes & 0xfffff) + bodySeed(body)) | 0)
export const ownLocal = (body: number, local: number, op: number): number =>
  quickContext(0x4e3d4c5b, ((local << 10) + op + bodySeed(body)) | 0)

/** What old bodies that are edited say of the instructions that are inserted [D 5.9]. */
export class CodeMemory {
  /** Number of the body that is coded. */
  body = 0
  readonly models = [model(), model()] as const
  readonly #old: Uint8Array
  readonly #maps: Maps
  readonly #coder: Coder
  readonly #walk: (instructions: number) => void
  #trail = new Trail()
  /** Instructions of the old body, which are read where the first thing is inserted. */
  #unread = { from: 0, end: 0 }
  readonly #scratch = new Instruction()

  /** `walk` is told of what is read of the old module. */
  constructor(old: Uint8Array, maps: Maps, coder: Coder, walk: (instructions: number) => void) {
    this.#old = old
    this.#maps = maps
    this.#coder = coder
    this.#walk = walk
  }

  /** Another body; `from` and `end` are of the instructions of the one that it follows, or both 0. */
  begin(from: number, end: number): void {
    this.body++
    this.#trail = new Trail()
    this.#unread = { from, end }
    for (const each of this.models) {
      each.at = -1
      each.length = 0
    }
  }

  /** Reads the old body, if that hasn't been done: bodies of which only numbers change are many, and don't need it. */
  read(): void {
    const { from, end } = this.#unread
    this.#unread = { from: 0, end: 0 }
    const trail = new Trail()
    const now = this.#scratch
    let opcodes = 0
    for (let at = from; at < end; ) {
      const slots = [trail.byOps, trail.byKeys]
      for (const [i, { places, ends }] of this.models.entries()) {
        places[slots[i]!] = at
        ends[slots[i]!] = end
      }
      at = this.#fetch(at, end, now)
      this.#coder.teach(ownOpcodes(this.body, opcodes), 8, prefixOf(now.op))
      trail.push(now)
      opcodes = ((opcodes << 10) | now.op) & 0x3fffffff
    }
  }

  /** An old instruction as the maps have it. */
  #fetch(at: number, end: number, into: Instruction): number {
    const reader = new CodeReader(this.#old, at, end)
    reader.instruction(into)
    for (let i = 0; i < into.count; i++) {
      const kind = into.kind[i]!
      if (kind !== Kind.local && kind !== Kind.label) into.low[i] = this.#maps.predict(kind, into.low[i]!)
    }
    this.#walk(1 + (into.count >> 3))
    return reader.at
  }

  /** An instruction of the new body. */
  push(instruction: Instruction): void {
    this.#trail.push(instruction)
  }

  /** Finds what the models expect where an instruction is inserted. */
  predict(): void {
    this.read()
    const slots = [this.#trail.byOps, this.#trail.byKeys]
    for (const [i, each] of this.models.entries()) {
      if (each.at < 0 || each.length === 0) {
        each.at = each.places[slots[i]!]!
        each.end = each.ends[slots[i]!]!
        each.length = 0
      }
      if (each.at >= 0) each.next = this.#fetch(each.at, each.end, each.expected)
      else {
        each.expected.op = nothing
        each.expected.count = 0
      }
    }
  }

  /** Which opcode it was. */
  learn(op: number): void {
    for (const each of this.models) {
      if (each.at < 0) continue
      const right = each.expected.op === op
      each.length = right ? Math.min(longestMatch, each.length + 1) : 0
      each.at = right && each.next < each.end ? each.next : -1
    }
  }
}
