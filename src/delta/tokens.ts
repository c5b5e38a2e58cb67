import { CodeReader } from './code-reader.ts'
import { Instruction } from './instruction.ts'
import { addressRange, type Maps } from './maps.ts'
import type { Module } from './module.ts'
import { Kind } from './opcodes.ts'

/** A body's instructions as numbers that can be compared. */
export interface Tokens {
  readonly count: number
  /** Opcode and number of immediates: what an edit of immediates needs to be equal. */
  readonly op: Int32Array
  /** All of it, as far as it can be compared. */
  readonly key: Int32Array
  /** The last constant, offset, local or global, and its kind: what maps are learnt from. */
  readonly value: Int32Array
  readonly kind: Uint8Array
}

export const mixHash = (hash: number, value: number): number => {
  const mixed = Math.imul(hash ^ value, 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
}

const masked = 99
const leastAddress = 1024

/** How immediates are compared: left out where maps may change them, as the maps have them, or as they are. */
export type View =
  | { readonly view: 'masked' }
  | { readonly view: 'mapped'; readonly maps: Maps }
  | { readonly view: 'plain' }

/** @throws Unsupported for instructions that aren't known */
export function tokensOf(module: Module, view: View): Tokens[] {
  const instruction = new Instruction()
  const { highest } = addressRange(module)
  return module.bodies.map((body) =>
    tokensOfBody(new CodeReader(module.bytes, body.start, body.end), instruction, view, highest),
  )
}

function tokensOfBody(reader: CodeReader, instruction: Instruction, view: View, highest: number): Tokens {
  for (let left = reader.uleb(); left > 0; left--) {
    reader.uleb()
    reader.sleb64()
  }
  const op: number[] = []
  const key: number[] = []
  const value: number[] = []
  const kinds: number[] = []
  while (!reader.done) {
    reader.instruction(instruction)
    const { count } = instruction
    const shape = instruction.op | (count << 12)
    let hash = mixHash(17, shape)
    let last = 0
    let lastKind = 0
    for (let i = 0; i < count; i++) {
      const kind = instruction.kind[i]!
      const low = instruction.low[i]!
      const numeric = kind === Kind.i32 || kind === Kind.offset
      if (kind === Kind.label) hash = mixHash(hash, 7)
      else if (view.view === 'mapped') hash = mixHash(mixHash(hash, view.maps.predict(kind, low)), instruction.high[i]!)
      else {
        const moves =
          kind === Kind.func ||
          kind === Kind.global ||
          kind === Kind.type ||
          (numeric && low >= leastAddress && low < highest)
        if (moves || numeric || kind === Kind.local) {
          last = low
          lastKind = kind
        }
        hash =
          view.view === 'masked' && moves ? mixHash(hash, masked) : mixHash(mixHash(hash, low), instruction.high[i]!)
      }
    }
    op.push(shape)
    key.push(hash)
    value.push(last)
    kinds.push(lastKind)
  }
  const from = (numbers: readonly number[]) => Int32Array.from(numbers)
  return { count: op.length, op: from(op), key: from(key), value: from(value), kind: Uint8Array.from(kinds) }
}
