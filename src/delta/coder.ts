import { malformed, mostRecordBytes } from './limits.ts'
import { squash, stretch } from './logistic.ts'

/** Most contexts that are mixed for one bit. */
export const maxInputs = 8

/** Sets of weights that a mixer chooses from. */
const weightSets = 256
const initialWeight = 16_000 // 0.24 in 16.16
const learningRate = 10

const knots = 33

/** A probability stays this far from 0 and 1, of 65,536. */
const leastChance = 24

/** How fast a cell learns, by how often it was used: 65536 / (uses + 1.5), at most as for `slowest` uses [D 3.3]. */
const slowest = 15
const rates = Int32Array.from({ length: 256 }, (_, uses) => Math.floor(655_360 / (Math.min(uses, slowest) * 10 + 15)))

/** Bytes of zeros that a decoder may take after the end of a patch; the encoder leaves zeros at the end away [D 3.5]. */
const borrowedZeros = 8

const signBit = -0x8000_0000
const topByte = -0x0100_0000
/** A cell: a chance of 16 bits, a check of 10, and 6 that count uses [D 3.2]. */
const usesBits = 63
const checkBits = 0xffc0
/** Nothing was learnt in it. */
export const freshCell = 32_768 << 16

/** What tells contexts apart that fall on one cell [D 3.2]. */
const checkOf = (context: number): number => {
  const check = context >>> 22
  return (check < 1016 ? check : 1015) << 6
}

/** The check of a cell that is known beforehand, of which no more than three bits are told [D 3.8]. */
export const knownCheck = (context: number): number => (1016 + ((context >>> 22) & 7)) << 6

/** What a coder has learnt: starts the next one where this one ended, which then owns it. */
export interface Learnt {
  readonly cells: Int32Array
  readonly weights?: Int32Array
}

/**
 * Codes bits with adaptive probabilities, alone or mixed in the logistic domain, in integers only [D 3]. One class for both directions: what is written
 * and what is read walk the same state. In the encoder a bit is coded and returned; in the decoder the given bit is ignored.
 */
export class Coder {
  readonly encoding: boolean
  /** Contexts of the bit that comes next, for `mix`: any 32-bit numbers. */
  readonly contexts = new Int32Array(maxInputs)
  /** Told of each bit that is coded in a context: for training only. */
  observer: ((context: number, bit: number) => void) | null = null
  readonly #cells: Int32Array
  readonly #found = new Int32Array(maxInputs)
  readonly #weights: Int32Array
  /** For each set: what a guess at every 128th place of the logistic domain has come to mean. */
  readonly #meant = Int32Array.from(
    { length: weightSets * knots },
    (_, i) => squash[Math.min(4095, (i % knots) * 128)]! * 16 + 8,
  )
  readonly #mask: number
  // 32 bits unsigned, held as signed integers: the engine would put others on the heap, one for each bit.
  #low = 0
  #high = -1
  #value = 0
  #bytes: Uint8Array<ArrayBuffer>
  #at = 0
  #filled = 0
  #ended: boolean
  #begun: boolean
  /** Bytes that the state has moved over. */
  #moved = 0

  constructor(bits: number, encoding: boolean, learnt?: Learnt) {
    this.#mask = (1 << bits) - 1
    this.encoding = encoding
    this.#cells = learnt?.cells ?? new Int32Array(1 << bits).fill(freshCell)
    this.#weights = learnt?.weights ?? initialWeights()
    this.#bytes = new Uint8Array(1024)
    this.#ended = encoding
    this.#begun = encoding
  }

  get learnt(): Learnt {
    return { cells: this.#cells, weights: this.#weights }
  }

  /** Bits spent so far. */
  get spent(): number {
    return 8 * this.#moved + 32 - Math.log2(((this.#high - this.#low) >>> 0) + 1)
  }

  /** Bytes of a patch, as they come. */
  feed(chunk: Uint8Array): void {
    if (this.#filled + chunk.length > this.#bytes.length) {
      const rest = this.#bytes.subarray(this.#at, this.#filled)
      const grown = new Uint8Array(Math.max(1024, 2 * (rest.length + chunk.length)))
      grown.set(rest)
      this.#bytes = grown
      this.#filled = rest.length
      this.#at = 0
    }
    this.#bytes.set(chunk, this.#filled)
    this.#filled += chunk.length
  }

  /** No more bytes will come. */
  end(): void {
    this.#ended = true
  }

  /** Whether the next record might need bytes that haven't come yet. */
  get starved(): boolean {
    if (!this.#ended && this.#filled - this.#at < mostRecordBytes) return true
    if (!this.#begun) {
      this.#begun = true
      for (let i = 0; i < 4; i++) this.#value = (this.#value << 8) | this.#next()
    }
    return false
  }

  /** Whether all bytes of the patch were needed: nothing hangs on behind. */
  get usedUp(): boolean {
    return this.#at >= this.#filled
  }

  #next(): number {
    if (this.#at < this.#filled) return this.#bytes[this.#at++]!
    if (this.#at++ >= this.#filled + borrowedZeros) throw malformed('it ends too early')
    return 0
  }

  #put(byte: number): void {
    if (this.#at === this.#bytes.length) {
      const grown = new Uint8Array(this.#bytes.length * 2)
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.#bytes[this.#at++] = byte
  }

  /** One bit with a chance of a one of `chance` / 65536. */
  code(chance: number, given: number): number {
    let low = this.#low
    let high = this.#high
    const range = (high - low) | 0
    const middle = (low + Math.imul(range >>> 16, chance) + (Math.imul(range & 0xffff, chance) >>> 16)) | 0
    let bit = given
    if (!this.encoding) bit = (this.#value ^ signBit) <= (middle ^ signBit) ? 1 : 0
    if (bit === 1) high = middle
    else low = middle + 1
    while (((low ^ high) & topByte) === 0) {
      if (this.encoding) this.#put(high >>> 24)
      else this.#value = (this.#value << 8) | this.#next()
      this.#moved++
      low <<= 8
      high = (high << 8) | 255
    }
    this.#low = low
    this.#high = high
    return bit
  }

  /** The cell of a context, which takes it over from another where they fall on one. */
  #find(context: number): number {
    const at = context & this.#mask
    const cell = this.#cells[at]!
    const check = checkOf(context)
    if ((cell & checkBits) !== check)
      this.#cells[at] = ((cell & checkBits) === knownCheck(context) ? cell & ~checkBits : freshCell) | check
    return at
  }

  /** One bit in one context. */
  bit(context: number, given: number): number {
    const at = this.#find(context)
    const chance = this.#cells[at]! >>> 16
    const bit = this.code(clamped(chance), given)
    learn(this.#cells, at, bit)
    this.observer?.(context, bit)
    return bit
  }

  /** One bit by the first `count` of `contexts`, each with `node` added; mixed by the weights of `set`. */
  mix(count: number, node: number, set: number, given: number): number {
    const cells = this.#cells
    const weights = this.#weights
    const found = this.#found
    const first = (set & (weightSets - 1)) * maxInputs
    for (let i = 0; i < count; i++) found[i] = this.#find((this.contexts[i]! + node) | 0)
    // The contexts that were used before choose a set of their own.
    let known = 1
    for (let i = 0; i < count; i++) known = (known << 1) | ((cells[found[i]!]! & usesBits) > 1 ? 1 : 0)
    const second = (weightSets + known) * maxInputs
    let sum = 0
    for (let i = 0; i < count; i++) {
      const cell = cells[found[i]!]!
      if ((cell & usesBits) !== 0) sum += (stretch[cell >>> 20]! * (weights[first + i]! + weights[second + i]!)) >> 8
    }
    sum >>= 8
    const place = Math.max(1, Math.min(4095, sum + 2048))
    const guess = squash[place]!
    const bit = this.code(this.#refined(set, place, guess), given)
    this.#refine(set, place, bit)
    const error = ((bit << 12) - guess) * learningRate
    for (let i = 0; i < count; i++) {
      const cell = cells[found[i]!]!
      if ((cell & usesBits) !== 0) {
        const moved = (stretch[cell >>> 20]! * error + 0x2000) >> 14
        weights[first + i]! += moved
        weights[second + i]! += moved
      }
      learn(cells, found[i]!, bit)
      this.observer?.((this.contexts[i]! + node) | 0, bit)
    }
    return bit
  }

  /** What a guess has come to mean where a set was chosen, half and half with the guess itself. */
  #refined(set: number, place: number, guess: number): number {
    const at = (set & (weightSets - 1)) * knots + (place >> 7)
    const part = place & 127
    const meant = (this.#meant[at]! * (128 - part) + this.#meant[at + 1]! * part) >> 7
    return clamped((guess * 16 + 8 + meant) >> 1)
  }

  #refine(set: number, place: number, bit: number): void {
    const at = (set & (weightSets - 1)) * knots + ((place + 64) >> 7)
    const meant = this.#meant[at]!
    this.#meant[at] = meant + (((bit === 1 ? 65_535 : 0) - meant) >> 6)
  }

  /** Has the tree of a context learn a number of `bits` bits that isn't coded. */
  teach(context: number, bits: number, value: number): void {
    let node = 1
    for (let i = bits - 1; i >= 0; i--) {
      const bit = (value >> i) & 1
      learn(this.#cells, this.#find((context + node) | 0), bit)
      node = (node << 1) | bit
    }
  }

  /** Ends the stream with the fewest bytes that tell its number; what is missing is read as zeros. */
  finish(): Uint8Array<ArrayBuffer> {
    // A decoder reads four bytes ahead, and borrows no more than eight.
    const least = Math.max(0, this.#at - (borrowedZeros - 4))
    for (let count = 0; count <= 4; count++) {
      const unit = 2 ** (32 - 8 * count)
      const number = Math.ceil((this.#low >>> 0) / unit) * unit
      if (number > this.#high >>> 0) continue
      for (let i = 0; i < count; i++) this.#put(Math.floor(number / 2 ** (24 - 8 * i)) & 255)
      break
    }
    let end = this.#at
    while (end > least && this.#bytes[end - 1] === 0) end--
    return this.#bytes.slice(0, end)
  }
}

const clamped = (chance: number): number =>
  chance < leastChance ? leastChance : Math.min(chance, 65_536 - leastChance)

/** Of all sets: those that the place names, and behind them those that the contexts name which were used before. */
export function initialWeights(): Int32Array {
  return new Int32Array((weightSets + (2 << maxInputs)) * maxInputs).fill(initialWeight, 0, weightSets * maxInputs)
}

/** A cell moves towards a bit. */
function learn(cells: Int32Array, at: number, bit: number): void {
  const cell = cells[at]!
  const uses = cell & usesBits
  const chance = cell >>> 16
  const rate = rates[uses]!
  const moved = bit === 1 ? chance + (((65_535 - chance) * rate) >>> 16) : chance - ((chance * rate) >>> 16)
  cells[at] = (moved << 16) | (cell & checkBits) | (uses < slowest ? uses + 1 : uses)
}
