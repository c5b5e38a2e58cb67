import type { Module } from './module.ts'
import { mixHash, type Tokens } from './tokens.ts'

/** Shares of common 4-grams from which two functions at the same place, or at any, are taken for versions of one. */
const similarHere = 0.25
const similarAnywhere = 0.15
/** Functions on each side that are aligned between two that are certain. */
const longestGap = 400
/** Candidates looked at more closely for a function that stands alone. */
const mostCandidates = 16
const mostPlacesPerGram = 30

/** For each new function the old one that it follows, or -1 [D 4.3]; indices of the whole index space. */
export function matchFunctions(old: Module, now: Module, was: readonly Tokens[], is: readonly Tokens[]): Int32Array {
  const references = new Int32Array(now.importedFunctions.length + is.length).fill(-1)
  for (const [i, name] of now.importedFunctions.entries()) references[i] = old.importedFunctions.indexOf(name)
  const matching = new Matching(was, is)
  matching.takeEqual()
  matching.takeSimilarBetween()
  matching.borrow()
  for (const [i, reference] of matching.references.entries()) {
    if (reference >= 0) references[now.importedFunctions.length + i] = reference + old.importedFunctions.length
  }
  return references
}

class Matching {
  readonly references: Int32Array
  readonly #was: readonly Tokens[]
  readonly #is: readonly Tokens[]
  readonly #used: Uint8Array
  readonly #grams = { was: new Map<number, Set<number>>(), is: new Map<number, Set<number>>() }

  constructor(was: readonly Tokens[], is: readonly Tokens[]) {
    this.#was = was
    this.#is = is
    this.references = new Int32Array(is.length).fill(-1)
    this.#used = new Uint8Array(was.length)
  }

  #take(now: number, old: number): void {
    this.references[now] = old
    this.#used[old] = 1
  }

  /** Bodies that are there once on both sides, then equal neighbours of those. */
  takeEqual(): void {
    const hashes = { was: this.#was.map(bodyHash), is: this.#is.map(bodyHash) }
    const onceWas = once(hashes.was)
    for (const [hash, now] of once(hashes.is)) {
      const old = onceWas.get(hash)
      if (old !== undefined && this.#is[now]!.count > 3) this.#take(now, old)
    }
    const last = this.references.length - 1
    const tryNeighbour = (now: number, old: number) => {
      if (
        this.references[now]! < 0 &&
        old >= 0 &&
        old < this.#was.length &&
        !this.#used[old] &&
        hashes.was[old] === hashes.is[now]
      )
        this.#take(now, old)
    }
    if (last >= 0) tryNeighbour(0, 0)
    for (let now = 1; now <= last; now++)
      if (this.references[now - 1]! >= 0) tryNeighbour(now, this.references[now - 1]! + 1)
    for (let now = last - 1; now >= 0; now--)
      if (this.references[now + 1]! >= 0) tryNeighbour(now, this.references[now + 1]! - 1)
  }

  /** Similar ones, in order, between those that are certain. */
  takeSimilarBetween(): void {
    const { references } = this
    for (let from = 0; from < references.length; from++) {
      if (references[from]! >= 0) continue
      let to = from
      while (to < references.length && references[to]! < 0) to++
      const first = from > 0 ? references[from - 1]! + 1 : 0
      let end = to < references.length ? references[to]! : this.#was.length
      if (end < first) end = Math.min(this.#was.length, first + to - from)
      const olds: number[] = []
      for (let old = first; old < end && olds.length < longestGap; old++) if (!this.#used[old]) olds.push(old)
      this.#alignGap(olds, from, Math.min(to - from, longestGap))
      from = to - 1
    }
  }

  /** The pairs of the highest similarity together that don't cross. */
  #alignGap(olds: readonly number[], from: number, count: number): void {
    const width = count + 1
    const best = new Float64Array((olds.length + 1) * width)
    const pair = new Float64Array(olds.length * width)
    for (let a = olds.length - 1; a >= 0; a--) {
      for (let b = count - 1; b >= 0; b--) {
        const similarity = this.#similarity(olds[a]!, from + b)
        const at = a * width + b
        if (similarity > similarHere) pair[at] = similarity
        const both = pair[at]! > 0 ? pair[at]! + best[at + width + 1]! : 0
        best[at] = Math.max(best[at + width]!, best[at + 1]!, both)
      }
    }
    for (let a = 0, b = 0; a < olds.length && b < count; ) {
      const at = a * width + b
      if (pair[at]! > 0 && best[at] === pair[at]! + best[at + width + 1]!) this.#take(from + b++, olds[a++]!)
      else if (best[at] === best[at + width]) a++
      else b++
    }
  }

  /** What is left may follow any old function that it resembles, even one that another follows. */
  borrow(): void {
    const alone = [...this.references.keys()].filter((now) => this.references[now]! < 0 && this.#is[now]!.count > 8)
    if (alone.length === 0) return
    const places = new Map<number, number[]>()
    for (const [old, tokens] of this.#was.entries()) {
      for (const gram of grams(tokens.key, tokens.count, 6)) {
        const known = places.get(gram)
        if (known === undefined) places.set(gram, [old])
        else if (known.length < mostPlacesPerGram) known.push(old)
      }
    }
    for (const now of alone) {
      const votes = new Map<number, number>()
      const tokens = this.#is[now]!
      for (const gram of grams(tokens.key, tokens.count, 6))
        for (const old of places.get(gram) ?? []) votes.set(old, (votes.get(old) ?? 0) + 1)
      const candidates = [...votes].sort((a, b) => b[1] - a[1]).slice(0, mostCandidates)
      let best = -1
      let similarity = similarAnywhere
      for (const [old] of candidates) {
        const found = this.#similarity(old, now) + (this.#used[old] ? 0 : 0.05)
        if (found > similarity) {
          similarity = found
          best = old
        }
      }
      if (best >= 0) this.#take(now, best)
    }
  }

  /** Common 4-grams of opcodes, of all that either has. */
  #similarity(old: number, now: number): number {
    const was = known(this.#grams.was, old, this.#was[old]!)
    const is = known(this.#grams.is, now, this.#is[now]!)
    if (was.size === 0 || is.size === 0) return this.#was[old]!.count === this.#is[now]!.count ? 0.5 : 0.2
    const [few, many] = was.size < is.size ? [was, is] : [is, was]
    let common = 0
    for (const gram of few) if (many.has(gram)) common++
    return common / (was.size + is.size - common)
  }
}

function known(cache: Map<number, Set<number>>, at: number, tokens: Tokens): Set<number> {
  let found = cache.get(at)
  if (found === undefined) {
    found = grams(tokens.op, tokens.count, 4)
    cache.set(at, found)
  }
  return found
}

function grams(numbers: Int32Array, count: number, length: number): Set<number> {
  const all = new Set<number>()
  for (let i = 0; i + length <= count; i++) {
    let hash = length
    for (let k = 0; k < length; k++) hash = mixHash(hash, numbers[i + k]!)
    all.add(hash)
  }
  return all
}

function bodyHash(tokens: Tokens): number {
  let hash = tokens.count
  for (let i = 0; i < tokens.count; i++) hash = mixHash(hash, tokens.key[i]!)
  return hash
}

/** Numbers that are there once, with their places. */
function once(numbers: readonly number[]): Map<number, number> {
  const places = new Map<number, number>()
  for (const [i, number] of numbers.entries()) places.set(number, places.has(number) ? -1 : i)
  for (const [number, place] of places) if (place < 0) places.delete(number)
  return places
}
