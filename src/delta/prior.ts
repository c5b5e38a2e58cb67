import { freshCell, initialWeights, knownCheck, type Learnt, maxInputs } from './coder.ts'
import { squash, stretch } from './logistic.ts'
import { priorTable } from './prior-table.ts'

/**
 * What a coder knows before its first bit [D 3.8]: the weights and the cells that save the most, from coding pairs of modules that aren't measured by
 * (docs/delta.md names them). In base64: how many sets of weights there are (16 bits, lowest byte first), of each its number (16 bits) and its weights
 * in steps of 1 / 128; then two bytes a cell, how far it is behind the last one, and its chance in 32 steps of the logistic domain and three bits of its check.
 */

const weightStep = 512

/** Chances are told in as many steps. */
const levels = 32
/** A gap of this many cells, and the next cell follows without one of its own. */
const longGap = 255
/** Cells begin as if they had been used this often. */
const trust = 3
/** The table that cells are told for. */
const tableBits = 18

const chanceOf = (level: number): number => squash[Math.round((level / (levels - 1)) * 4094) + 1]! * 16 + 8

/** The state of a coder with a table of `bits`: of cells that fall on each other in smaller tables the last one stays. */
export function initialState(bits: number): Learnt {
  const cells = new Int32Array(1 << bits).fill(freshCell)
  const mask = (1 << bits) - 1
  const known = Int32Array.from({ length: 256 }, (_, told) => {
    return (chanceOf(told & (levels - 1)) << 16) | knownCheck((told >> 5) << 22) | trust
  })
  const bytes = fromBase64(priorTable)
  const weights = initialWeights()
  const firstCell = 2 + sixteen(bytes, 0) * setBytes
  for (let at = 2; at < firstCell; at += setBytes) {
    const first = sixteen(bytes, at) * maxInputs
    for (let i = 0; i < maxInputs; i++) weights[first + i] = ((bytes[at + 2 + i]! << 24) >> 24) * weightStep
  }
  let cell = 0
  for (let at = firstCell; at < bytes.length; ) {
    const gap = bytes[at++]!
    cell += gap
    if (gap !== longGap) cells[cell & mask] = known[bytes[at++]!]!
  }
  return { cells, weights }
}

const setBytes = 2 + maxInputs
const sixteen = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8)

/** The table as it is told, for the kernel. */
export const priorText = (): Uint8Array => new TextEncoder().encode(priorTable)

/** How often each context was a zero and a one while a pair was coded, and the bytes of its patch. */
export interface Tally {
  readonly contexts: ReadonlyMap<number, readonly [zeros: number, ones: number]>
  readonly bytes: number
}

/** Of what one pair says of a context no more counts, and what only one of them says counts half. */
const mostCounted = 30
const mostSaved = 4

/** The table for `prior-table.ts` from pairs that were coded without one: their weights, and the `most` cells that save the largest shares of patches. */
export function packPrior(tallies: readonly Tally[], most: number, weights: Int32Array): string {
  const sums = new Map<number, { zeros: number; ones: number; pairs: number }>()
  for (const { contexts } of tallies) {
    for (const [context, [zeros, ones]] of contexts) {
      const sum = sums.get(context) ?? { zeros: 0, ones: 0, pairs: 0 }
      const share = Math.min(1, mostCounted / (zeros + ones))
      sum.zeros += zeros * share
      sum.ones += ones * share
      sum.pairs++
      sums.set(context, sum)
    }
  }
  const best = new Map<number, { told: number; saves: number }>()
  for (const [context, { zeros, ones, pairs }] of sums) {
    const chance = (ones + 0.4) / (zeros + ones + 0.8)
    let saves = 0
    for (const { contexts, bytes } of tallies) {
      const [no, yes] = contexts.get(context) ?? [0, 0]
      if (no + yes === 0) continue
      const share = Math.min(1, mostSaved / (no + yes)) / Math.sqrt(bytes)
      saves += share * (no * (1 + Math.log2(1 - chance)) + yes * (1 + Math.log2(chance)))
    }
    if (pairs === 1) saves /= 2
    const cell = context & ((1 << tableBits) - 1)
    if (saves <= (best.get(cell)?.saves ?? 0)) continue
    const level = Math.round(((stretch[Math.floor(chance * 4096)]! + 2047) / 4094) * (levels - 1))
    best.set(cell, { told: level | (((context >>> 22) & 7) << 5), saves })
  }
  const chosen = [...best].sort((a, b) => b[1].saves - a[1].saves || a[0] - b[0]).slice(0, most)
  const bytes = packWeights(weights)
  let last = 0
  for (const [cell, { told }] of chosen.sort((a, b) => a[0] - b[0])) {
    let gap = cell - last
    for (; gap >= longGap; gap -= longGap) bytes.push(longGap)
    bytes.push(gap, told)
    last = cell
  }
  return toBase64(Uint8Array.from(bytes))
}

function packWeights(weights: Int32Array): number[] {
  const before = initialWeights()
  const sets: number[][] = []
  for (let set = 0; set * maxInputs < weights.length; set++) {
    const places = Array.from({ length: maxInputs }, (_, i) => set * maxInputs + i)
    if (places.every((at) => weights[at] === before[at])) continue
    const told = places.map((at) => Math.max(-128, Math.min(127, Math.round(weights[at]! / weightStep))) & 255)
    sets.push([set & 255, set >> 8, ...told])
  }
  return [sets.length & 255, sets.length >> 8, ...sets.flat()]
}

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const group = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    for (let i = 0; i < Math.min(4, bytes.length - at + 1); i++) text += digits[(group >> (18 - 6 * i)) & 63]
  }
  return text
}

function fromBase64(text: string): Uint8Array {
  const values = new Uint8Array(128)
  for (let i = 0; i < digits.length; i++) values[digits.charCodeAt(i)] = i
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let bits = 0
  let held = 0
  let at = 0
  for (let i = 0; i < text.length; i++) {
    bits = ((bits << 6) | values[text.charCodeAt(i)]!) & 0xffffff
    held += 6
    if (held < 8) continue
    held -= 8
    bytes[at++] = bits >> held
  }
  return bytes
}
