import type { Coder } from './coder.ts'
import { context, Place } from './contexts.ts'

/** Bits below the leading one that have contexts by all that stands before them, and those with any context at all [D 3.7]. */
const preciseBits = 3
const modelledBits = 12

/** Numbers as bits in contexts [D 3.7]. Each function returns the number; the decoder ignores the one that is given. */
export class NumberCoder {
  readonly coder: Coder

  constructor(coder: Coder) {
    this.coder = coder
  }

  get encoding(): boolean {
    return this.coder.encoding
  }

  bit(ctx: number, given: number): number {
    return this.coder.bit(ctx, given)
  }

  flag(ctx: number, given: boolean): boolean {
    return this.coder.bit(ctx, given ? 1 : 0) === 1
  }

  /** 32 bits of which nothing is expected. */
  even(given: number): number {
    let number = 0
    for (let i = 31; i >= 0; i--) number = (number << 1) | this.coder.code(32_768, (given >>> i) & 1)
    return number >>> 0
  }

  /** A number of `bits` bits, the highest first. */
  tree(ctx: number, bits: number, given: number): number {
    let node = 1
    for (let i = bits - 1; i >= 0; i--) node = (node << 1) | this.coder.bit(ctx + node, (given >> i) & 1)
    return node - (1 << bits)
  }

  /** The same by the first `count` of the coder's contexts at once. */
  mixedTree(count: number, set: number, bits: number, given: number): number {
    let node = 1
    for (let i = bits - 1; i >= 0; i--) node = (node << 1) | this.coder.mix(count, node, set, (given >> i) & 1)
    return node - (1 << bits)
  }

  /** 32 bits unsigned: how many they are, then those below the leading one. */
  uint(ctx: number, given: number): number {
    const length = this.tree(context(Place.numbers, ctx), 6, 32 - Math.clz32(given))
    return this.#below(ctx, length, given)
  }

  /** The same with the length mixed from two contexts. */
  mixedUint(ctx: number, other: number, given: number): number {
    this.coder.contexts[0] = context(Place.numbers, ctx)
    this.coder.contexts[1] = context(Place.numbers, other, 1)
    const length = this.mixedTree(2, 3, 6, 32 - Math.clz32(given))
    return this.#below(ctx, length, given)
  }

  #below(ctx: number, length: number, given: number): number {
    if (length <= 1) return length
    let number = 1
    for (let i = Math.min(length, 32) - 2, done = 0; i >= 0; i--, done++) {
      const bit = (given >>> i) & 1
      if (done >= modelledBits) number = (number << 1) | this.coder.code(32_768, bit)
      else {
        const at =
          done < preciseBits
            ? context(Place.mantissa, ctx, length, number)
            : context(Place.mantissa, ctx, length, done << 8)
        number = (number << 1) | this.coder.bit(at, bit)
      }
    }
    return number >>> 0
  }

  /** 32 bits signed, zigzag. */
  sint(ctx: number, given: number): number {
    const folded = this.uint(ctx, ((given << 1) ^ (given >> 31)) >>> 0)
    return (folded >>> 1) ^ -(folded & 1)
  }

  mixedSint(ctx: number, other: number, given: number): number {
    const folded = this.mixedUint(ctx, other, ((given << 1) ^ (given >> 31)) >>> 0)
    return (folded >>> 1) ^ -(folded & 1)
  }
}
