import { Action } from './body-actions.ts'
import { Kind } from './opcodes.ts'
import { mixHash, type Tokens } from './tokens.ts'

/** Cells of the table of one alignment: time and memory. */
const maxCells = 16_000_000

/** About the bits that each step costs, in tenths. */
const cost = {
  copy: 1,
  local: 80,
  field: 110,
  startDelete: 70,
  moreDelete: 12,
  deleteAfterInsert: 40,
  startInsert: 120,
  insertAfterDelete: 90,
  moreInsert: 80,
  back: 10,
} as const
const never = 1 << 29

/** Windows, by keys and by opcodes, that split what is too large to align at once. */
const splitters = [
  ['key', 12],
  ['key', 6],
  ['key', 4],
  ['op', 24],
  ['op', 12],
  ['key', 2],
  ['op', 8],
] as const

/** The cheapest way from old instructions to new ones, as actions [D 5.2]. */
export function align(was: Tokens, now: Tokens): Uint8Array {
  const out: number[] = []
  let head = 0
  while (head < was.count && head < now.count && was.key[head] === now.key[head]) head++
  let tail = 0
  const most = Math.min(was.count, now.count) - head
  while (tail < most && was.key[was.count - 1 - tail] === now.key[now.count - 1 - tail]) tail++
  fill(out, Action.copy, head)
  alignPart(was, now, { a: head, endA: was.count - tail, b: head, endB: now.count - tail }, out)
  fill(out, Action.copy, tail)
  return Uint8Array.from(out)
}

function fill(out: number[], action: number, count: number): void {
  for (let i = 0; i < count; i++) out.push(action)
}

interface Part {
  readonly a: number
  readonly endA: number
  readonly b: number
  readonly endB: number
}

function alignPart(was: Tokens, now: Tokens, part: Part, out: number[]): void {
  const { a, endA, b, endB } = part
  if ((endA - a) * (endB - b) > maxCells) {
    if (split(was, now, part, out)) return
    fill(out, Action.delete, endA - a)
    fill(out, Action.insert, endB - b)
  } else if (endA === a || endB === b) {
    fill(out, Action.delete, endA - a)
    fill(out, Action.insert, endB - b)
  } else alignCells(was, now, part, out)
}

/** Splits at windows that are there once on both sides; false where there are none. */
function split(was: Tokens, now: Tokens, part: Part, out: number[]): boolean {
  for (const [by, length] of splitters) {
    const places = onceWindows(was[by], part.a, part.endA, length)
    const others = onceWindows(now[by], part.b, part.endB, length)
    const pairs: [number, number][] = []
    for (const [hash, a] of places) {
      const b = others.get(hash)
      if (b !== undefined) pairs.push([a, b])
    }
    pairs.sort((x, y) => x[0] - y[0])
    const chain = risingChain(pairs)
    if (chain.length === 0) continue
    let { a, b } = part
    for (const [nextA, nextB] of chain) {
      if (nextA < a || nextB < b) continue
      alignPart(was, now, { a, endA: nextA, b, endB: nextB }, out)
      a = nextA
      b = nextB
      for (let i = 0; i < length && a < part.endA && b < part.endB && was[by][a] === now[by][b]; i++, a++, b++)
        out.push(Action.copy)
    }
    alignPart(was, now, { a, endA: part.endA, b, endB: part.endB }, out)
    return true
  }
  return false
}

function onceWindows(numbers: Int32Array, from: number, to: number, length: number): Map<number, number> {
  const places = new Map<number, number>()
  for (let i = from; i + length <= to; i++) {
    let hash = 1
    for (let k = 0; k < length; k++) hash = mixHash(hash, numbers[i + k]!)
    places.set(hash, places.has(hash) ? -1 : i)
  }
  for (const [hash, place] of places) if (place < 0) places.delete(hash)
  return places
}

/** The longest chain of pairs that rise on both sides. */
function risingChain(pairs: readonly [number, number][]): [number, number][] {
  const tails: number[] = []
  const before = new Int32Array(pairs.length).fill(-1)
  for (const [i, [, b]] of pairs.entries()) {
    let low = 0
    let high = tails.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (pairs[tails[middle]!]![1] < b) low = middle + 1
      else high = middle
    }
    if (low > 0) before[i] = tails[low - 1]!
    tails[low] = i
  }
  const chain: [number, number][] = []
  for (let i = tails.at(-1) ?? -1; i >= 0; i = before[i]!) chain.push(pairs[i]!)
  return chain.reverse()
}

/** Gaps cost by their length (affine): three states, 0 after a pair, 1 in a deletion, 2 in an insertion. */
function alignCells(was: Tokens, now: Tokens, { a, endA, b, endB }: Part, out: number[]): void {
  const rows = endA - a
  const width = endB - b + 1
  // Two bits for each state: the state before.
  const back = new Uint8Array((rows + 1) * width)
  let before = [0, 1, 2].map(() => new Int32Array(width).fill(never))
  let current = [0, 1, 2].map(() => new Int32Array(width).fill(never))
  for (let i = 0; i <= rows; i++) {
    const [pair, gone, fresh] = current as [Int32Array, Int32Array, Int32Array]
    const [pairUp, goneUp, freshUp] = before as [Int32Array, Int32Array, Int32Array]
    for (let k = 0; k < width; k++) {
      let from = 0
      if (i > 0 && k > 0) {
        const x = pairUp[k - 1]!
        const y = goneUp[k - 1]! + cost.back
        const z = freshUp[k - 1]! + cost.back
        const step = pairCost(was, a + i - 1, now, b + k - 1)
        const state = x <= y && x <= z ? 0 : y <= z ? 1 : 2
        pair[k] = Math.min(never, (state === 0 ? x : state === 1 ? y : z) + step)
        from = state
      } else pair[k] = i === 0 && k === 0 ? 0 : never
      if (i > 0) {
        const x = pairUp[k]! + cost.startDelete
        const y = goneUp[k]! + cost.moreDelete
        const z = freshUp[k]! + cost.deleteAfterInsert
        const state = x <= y && x <= z ? 0 : y <= z ? 1 : 2
        gone[k] = Math.min(never, state === 0 ? x : state === 1 ? y : z)
        from |= state << 2
      } else gone[k] = never
      if (k > 0) {
        const x = pair[k - 1]! + cost.startInsert
        const y = gone[k - 1]! + cost.insertAfterDelete
        const z = fresh[k - 1]! + cost.moreInsert
        const state = x <= y && x <= z ? 0 : y <= z ? 1 : 2
        fresh[k] = Math.min(never, state === 0 ? x : state === 1 ? y : z)
        from |= state << 4
      } else fresh[k] = never
      back[i * width + k] = from
    }
    ;[before, current] = [current, before]
  }
  const ends = before.map((row) => row[width - 1]!)
  let state = ends.indexOf(Math.min(...ends))
  const reversed: number[] = []
  for (let i = rows, k = width - 1; i > 0 || k > 0; ) {
    const next = (back[i * width + k]! >> (state * 2)) & 3
    if (state === 0) reversed.push(was.key[a + --i] === now.key[b + --k] ? Action.copy : Action.field)
    else if (state === 1) {
      reversed.push(Action.delete)
      i--
    } else {
      reversed.push(Action.insert)
      k--
    }
    state = next
  }
  for (let i = reversed.length - 1; i >= 0; i--) out.push(reversed[i]!)
}

function pairCost(was: Tokens, a: number, now: Tokens, b: number): number {
  if (was.key[a] === now.key[b]) return cost.copy
  if (was.op[a] !== now.op[b]) return never
  return was.kind[a] === Kind.local ? cost.local : cost.field
}
