import { context, Place } from './contexts.ts'
import { malformed } from './limits.ts'
import type { Parts } from './parts.ts'
import type { Export } from './section-tables.ts'

/** Old exports that are passed over at once, looking for one of a function that is still there. */
const farthestSkip = 8

/**
 * What is exported: what the old export of that name exported, or what came behind the last one: names that are given out in order move to
 * other things. Functions that follow none are told among each other.
 */
export class ExportIndices {
  readonly #parts: Parts
  readonly #was: readonly Export[]
  /** The old export of each old function, and the new functions that follow none. */
  readonly #places: ReadonlyMap<number, number>
  readonly #added: readonly number[]
  #next = 0
  #last = 0

  constructor(parts: Parts, was: readonly Export[]) {
    this.#parts = parts
    this.#was = was
    this.#places = new Map(was.flatMap(({ kind, index }, i) => (kind === 0 ? [[index, i] as const] : [])))
    this.#added = [...parts.plan.functions.keys()].filter((index) => parts.plan.functions[index]! < 0)
  }

  code(kind: number, expected: number, given: number): number {
    const { numbers, plan } = this.#parts
    if (expected >= 0 && numbers.flag(context(Place.exports, 3, this.#last), given === expected)) {
      this.#last = 0
      this.#follow(kind, expected)
      return expected
    }
    if (kind !== 0) return numbers.uint(context(Place.exports, 7), given)
    const behind = this.#behind()
    if (behind >= 0 && behind !== expected && numbers.flag(context(Place.exports, 8, this.#last), given === behind)) {
      this.#last = 1
      this.#follow(kind, behind)
      return behind
    }
    const added = this.#added
    const place = numbers.encoding ? added.indexOf(given) : 0
    let index = 0
    if (added.length > 0 && numbers.flag(context(Place.exports, 9), place >= 0)) {
      const told = numbers.tree(context(Place.exports, 10), bitsFor(added.length), Math.max(0, place))
      if (told >= added.length) throw malformed('it exports a function that is not there')
      index = added[told]!
    } else index = numbers.tree(context(Place.exports, 4), bitsFor(plan.functions.length), given)
    this.#follow(kind, index)
    return index
  }

  /** What the next old export of a function that is still there has become, or -1. */
  #behind(): number {
    const was = this.#was
    const end = Math.min(was.length, this.#next + farthestSkip)
    for (; this.#next < end; this.#next++) {
      const { kind, index } = was[this.#next]!
      const to = kind === 0 ? this.#parts.maps.func(index) : -1
      if (to >= 0) return to
    }
    return -1
  }

  #follow(kind: number, index: number): void {
    const place = kind === 0 ? this.#places.get(this.#parts.plan.functions[index] ?? -1) : undefined
    if (place !== undefined) this.#next = place + 1
  }
}

const bitsFor = (count: number): number => Math.max(1, 32 - Math.clz32(count - 1))
