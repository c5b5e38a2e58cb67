import type { Module } from './module.ts'
import { Kind } from './opcodes.ts'

/** From an old address on, up to the next run, addresses move by `shift`. */
export interface AddressRun {
  readonly at: number
  readonly shift: number
}

/** What each thing of the new module follows in the old one: an index, or -1 [D 4.3]. */
export interface Plan {
  readonly types: Int32Array
  readonly functions: Int32Array
  readonly importedFunctions: number
  readonly globals: Int32Array
  readonly importedGlobals: number
  readonly segments: Int32Array
  readonly runs: readonly AddressRun[]
}

/** Slots of what is learnt while bodies are edited, as a power of two [D 5.5]. */
const learntBits = 12

/** Numbers up to this far behind the data are taken for addresses, too: the memory that the linker gives to zeros and the stack [D 4.4]. */
const behindData = 65_536

/** Maps from indices and addresses of the old module to those of the new one [D 4.3, 4.4, 5.5]. */
export class Maps {
  readonly lowest: number
  readonly highest: number
  readonly #types: Int32Array
  readonly #functions: Int32Array
  readonly #globals: Int32Array
  readonly #runAt: Int32Array
  readonly #runShift: Int32Array
  #lastRun = 0
  readonly #learntKind = new Uint8Array(1 << learntBits)
  readonly #learntFrom = new Int32Array(1 << learntBits)
  readonly #learntTo = new Int32Array(1 << learntBits)

  constructor(old: Module, plan: Plan) {
    this.#types = inverted(plan.types, old.types.length)
    this.#functions = inverted(plan.functions, old.importedFunctions.length + old.bodies.length)
    this.#globals = inverted(plan.globals, old.importedGlobals + old.globals)
    const { lowest, highest } = addressRange(old)
    this.lowest = lowest
    this.highest = highest
    this.#runAt = Int32Array.from([0, ...plan.runs.map(({ at }) => at)])
    this.#runShift = Int32Array.from([0, ...plan.runs.map(({ shift }) => shift)])
  }

  /** Where an old address is expected in the new module; other numbers as they are. */
  address(value: number): number {
    if (value < this.lowest || value >= this.highest) return value
    const starts = this.#runAt
    let run = this.#lastRun
    if (starts[run]! > value || (run + 1 < starts.length && starts[run + 1]! <= value)) {
      let low = 0
      let high = starts.length - 1
      while (low < high) {
        const middle = (low + high + 1) >> 1
        if (starts[middle]! <= value) low = middle
        else high = middle - 1
      }
      run = low
      this.#lastRun = run
    }
    return (value + this.#runShift[run]!) | 0
  }

  /** What an immediate is expected to be in the new module; -1 where its thing is gone. */
  predict(kind: number, value: number): number {
    switch (kind) {
      case Kind.func:
        return this.func(value)
      case Kind.global:
        return this.global(value)
      case Kind.type:
        return this.type(value)
      // Value types are negative.
      case Kind.blockType:
        return value < 0 ? value : this.type(value)
      case Kind.i32:
      case Kind.offset:
        return value < this.lowest || value >= this.highest ? value : this.#learnt(kind, value, this.address(value))
      default:
        return value
    }
  }

  func(value: number): number {
    const to = value >= 0 && value < this.#functions.length ? this.#functions[value]! : -1
    return to >= 0 ? to : this.#learnt(Kind.func, value, -1)
  }

  global(value: number): number {
    const to = value >= 0 && value < this.#globals.length ? this.#globals[value]! : -1
    return to >= 0 ? to : this.#learnt(Kind.global, value, -1)
  }

  /** Where types aren't known they are expected to stay. */
  type(value: number): number {
    if (this.#types.length === 0) return value
    return value >= 0 && value < this.#types.length ? this.#types[value]! : -1
  }

  /** Remembers where something went that was predicted wrongly. */
  learn(kind: number, from: number, to: number): void {
    const slot = learntSlot(kind, from)
    this.#learntKind[slot] = kind
    this.#learntFrom[slot] = from
    this.#learntTo[slot] = to
  }

  #learnt(kind: number, value: number, otherwise: number): number {
    const slot = learntSlot(kind, value)
    return this.#learntKind[slot] === kind && this.#learntFrom[slot] === value ? this.#learntTo[slot]! : otherwise
  }
}

const learntSlot = (kind: number, value: number): number =>
  Math.imul(value ^ (kind << 24), 0x9e3779b1) >>> (32 - learntBits)

function inverted(references: Int32Array, count: number): Int32Array {
  const map = new Int32Array(count).fill(-1)
  for (let i = references.length - 1; i >= 0; i--) if (references[i]! >= 0) map[references[i]!] = i
  return map
}

/** The numbers that are taken for addresses of the module. */
export function addressRange(module: Module): { lowest: number; highest: number } {
  let lowest = Number.POSITIVE_INFINITY
  let highest = 0
  for (const { address, start, end } of module.segments) {
    if (address === null) continue
    lowest = Math.min(lowest, address)
    highest = Math.max(highest, address + end - start)
  }
  return highest === 0 ? { lowest: 1, highest: 0 } : { lowest, highest: Math.min(0x7fff_ffff, highest + behindData) }
}
