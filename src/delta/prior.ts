import type { Learnt } from './coder.ts'
import { squash, stretch } from './logistic.ts'
import { priorTable } from './prior-table.ts'

/**
 * What a coder knows before its first bit [D 3.8]: cells that are used the most, from coding pairs of modules that aren't measured by (docs/delta.md names
 * them). Two bytes a cell, in base64: how far it is behind the last one, and its chance in steps of the logistic domain.
 */

/** Chances are told in as many steps. */
const levels = 32
/** A gap of this many cells, and the next cell follows without one of its own. */
const longGap = 255
/** Cells begin as if they had been used this often. */
const trust = 3

const chanceOf = (level: number): number => squash[Math.round((level / (levels - 1)) * 4094) + 1]! * 16 + 8

/** The state of a coder with a table of `bits`: of cells that fall on each other in smaller tables the last one stays. */
export function initialState(bits: number): Learnt {
  const cells = new Int32Array(1 << bits).fill(32_768 << 8)
  const mask = (1 << bits) - 1
  const known = Int32Array.from({ length: levels }, (_, level) => (chanceOf(level) << 8) | trust)
  const bytes = fromBase64(priorTable)
  let cell = 0
  for (let at = 0; at < bytes.length; ) {
    const gap = bytes[at++]!
    cell += gap
    if (gap !== longGap) cells[cell & mask] = known[bytes[at++]!]!
  }
  return { cells }
}

/** The table for `prior-table.ts` from what a coder has learnt: `most` cells, those first that say the most. */
export function packPrior({ cells }: Learnt, most: number): string {
  const level = (cell: number): number => stretch[cells[cell]! >> 12]!
  const uses = (cell: number): number => cells[cell]! & 255
  const known = [...cells.keys()].filter((cell) => uses(cell) > 1)
  const weight = (cell: number): number => uses(cell) * Math.abs(level(cell))
  const chosen = known.sort((a, b) => weight(b) - weight(a) || a - b).slice(0, most)
  const bytes: number[] = []
  let last = 0
  for (const cell of chosen.sort((a, b) => a - b)) {
    let gap = cell - last
    for (; gap >= longGap; gap -= longGap) bytes.push(longGap)
    bytes.push(gap, Math.round(((level(cell) + 2047) / 4094) * (levels - 1)))
    last = cell
  }
  return toBase64(Uint8Array.from(bytes))
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
