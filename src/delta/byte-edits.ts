import { ByteAction } from './byte-actions.ts'

/** How the bytes of a target are made of old ones: an action a step, and how far each move goes. */
export interface ByteEdits {
  readonly actions: Uint8Array
  readonly moves: readonly number[]
}

/** Places looked at for each window. */
const mostCandidates = 16
/** A move has to be followed by as many equal bytes. */
const leastRun = 6
const nearby = 24
/** Slots of an index, as a power of two: about as many as places. */
const indexBits = { least: 10, most: 21 } as const

/** Where each window of some bytes is found in them. */
export class ByteIndex {
  readonly #window: number
  readonly #bits: number
  readonly #heads: Int32Array
  readonly #next: Int32Array

  constructor(bytes: Uint8Array, window: number) {
    this.#window = window
    this.#bits = Math.min(indexBits.most, Math.max(indexBits.least, 32 - Math.clz32(bytes.length)))
    this.#heads = new Int32Array(1 << this.#bits).fill(-1)
    this.#next = new Int32Array(bytes.length)
    for (let at = bytes.length - window; at >= 0; at--) {
      const slot = this.#slot(bytes, at)
      this.#next[at] = this.#heads[slot]!
      this.#heads[slot] = at
    }
  }

  #slot(bytes: Uint8Array, at: number): number {
    let hash = 0
    for (let i = 0; i < this.#window; i++) hash = Math.imul(hash ^ bytes[at + i]!, 0x9e3779b1) ^ (hash >>> 15)
    return Math.imul(hash, 0x9e3779b1) >>> (32 - this.#bits)
  }

  /** Places of the window of `bytes` at `at`, some of them by chance only. */
  *find(bytes: Uint8Array, at: number): Generator<number, void, void> {
    if (at + this.#window > bytes.length) return
    let place = this.#heads[this.#slot(bytes, at)]!
    for (let left = mostCandidates; place >= 0 && left > 0; left--) {
      yield place
      place = this.#next[place]!
    }
  }
}

/** The edits by a greedy walk: stay where it goes on well, look nearby, then by the index. */
export function byteEdits(old: Uint8Array, from: number, target: Uint8Array, index: ByteIndex | null): ByteEdits {
  const actions: number[] = []
  const moves: number[] = []
  const run = (place: number, at: number, cap = 64): number => {
    let length = 0
    while (
      length < cap &&
      at + length < target.length &&
      place + length < old.length &&
      old[place + length] === target[at + length]
    )
      length++
    return length
  }
  let place = from
  let mayMove = true
  for (let at = 0; at < target.length; ) {
    if (place < old.length && old[place] === target[at]) {
      actions.push(ByteAction.copy)
      place++
      at++
      mayMove = true
      continue
    }
    let good = 0
    for (let i = 1; i <= 12 && at + i < target.length; i++) if (old[place + i] === target[at + i]) good++
    let best = -1
    let length = 0
    const consider = (candidate: number, cap: number, margin: number) => {
      if (candidate < 0 || candidate >= old.length) return
      const found = run(candidate, at, cap)
      if (found > length + margin) {
        length = found
        best = candidate
      }
    }
    for (let distance = 1; distance <= nearby; distance++) {
      consider(place + distance, 64, 0)
      consider(place - distance, 64, 0)
    }
    if (index !== null && length < 16) for (const candidate of index.find(target, at)) consider(candidate, 4096, 4)
    // A few bytes more before the old ones go on?
    let inserted = 0
    for (let distance = 1; distance <= 8 && inserted === 0; distance++)
      if (run(place, at + distance) >= 8) inserted = distance
    if (inserted > 0 && inserted * 8 < 8 + length && good < 8) {
      for (let i = 0; i < inserted; i++) actions.push(ByteAction.insert)
      at += inserted
      mayMove = true
      continue
    }
    if (mayMove && length >= leastRun && length > good && good < 10) {
      actions.push(ByteAction.move)
      moves.push(best - place)
      place = best
      mayMove = false
      continue
    }
    if (place < old.length) {
      actions.push(ByteAction.replace)
      place++
    } else actions.push(ByteAction.insert)
    at++
    mayMove = true
  }
  return { actions: Uint8Array.from(actions), moves }
}
