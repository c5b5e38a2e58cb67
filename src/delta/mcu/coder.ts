import { malformed } from '../limits.ts'
import { squash, stretch } from '../logistic.ts'
import { type McuState, mcuInputs, mcuWeightSets, Slot } from './state.ts'

/** A cell: a chance of 12 bits above 4 bits of how often it was used [D 10.4]. */
const fresh = 2048 << 4
const mostUses = 15
const rates = Int32Array.from({ length: mostUses + 1 }, (_, uses) => Math.floor(655_360 / (uses * 10 + 15)))

const initialWeight = 26_214 // 0.4 in 16.16
const learningRate = 10
const leastChance = 24
const borrowedZeros = 8
const signBit = -0x8000_0000
const topByte = -0x0100_0000
const spread = -1_640_531_535

/** The coder of 3 with the state of the small profile [D 10.4]: what is written and what is read walk the same state. */
export class McuCoder {
  readonly #state: McuState
  readonly #shift: number
  /** Where an encoder puts its bytes; null in the decoder. */
  readonly #out: number[] | null
  readonly contexts = new Int32Array(mcuInputs)

  constructor(state: McuState, out: number[] | null) {
    this.#state = state
    this.#out = out
    this.#shift = Math.clz32(state.cells.length) + 1
  }

  get encoding(): boolean {
    return this.#out !== null
  }

  /** A state that nothing was learnt in. */
  begin(): void {
    const { slots, cells, weights } = this.#state
    cells.fill(fresh)
    weights.fill(initialWeight)
    slots[Slot.low] = 0
    slots[Slot.high] = -1
  }

  /** Takes the first bytes, once they are there. */
  start(): void {
    const { slots } = this.#state
    slots[Slot.started] = 1
    for (let i = 0; i < 4; i++) slots[Slot.value] = (slots[Slot.value]! << 8) | this.#next()
  }

  #next(): number {
    const { slots, input } = this.#state
    const at = slots[Slot.inputAt]!
    if (at < slots[Slot.inputEnd]!) {
      slots[Slot.inputAt] = at + 1
      return input[at]!
    }
    if (slots[Slot.borrowed]! >= borrowedZeros) throw malformed('it ends too early')
    slots[Slot.borrowed]!++
    return 0
  }

  code(chance: number, given: number): number {
    const { slots } = this.#state
    let low = slots[Slot.low]!
    let high = slots[Slot.high]!
    const range = (high - low) | 0
    const middle = (low + Math.imul(range >>> 16, chance) + (Math.imul(range & 0xffff, chance) >>> 16)) | 0
    const bit = this.#out !== null ? given : (slots[Slot.value]! ^ signBit) <= (middle ^ signBit) ? 1 : 0
    if (bit === 1) high = middle
    else low = middle + 1
    while (((low ^ high) & topByte) === 0) {
      if (this.#out !== null) this.#out.push(high >>> 24)
      else slots[Slot.value] = (slots[Slot.value]! << 8) | this.#next()
      low <<= 8
      high = (high << 8) | 255
    }
    slots[Slot.low] = low
    slots[Slot.high] = high
    return bit
  }

  #update(cell: number, bit: number): void {
    const { cells } = this.#state
    const uses = cells[cell]! & 15
    const chance = cells[cell]! >> 4
    const step = Math.max(1, ((bit === 1 ? 4095 - chance : chance) * rates[uses]!) >> 16)
    const moved = Math.min(4095, Math.max(0, bit === 1 ? chance + step : chance - step))
    cells[cell] = (moved << 4) | Math.min(mostUses, uses + 1)
  }

  /** One bit in one context. */
  bit(context: number, given: number): number {
    const cell = Math.imul(context, spread) >>> this.#shift
    const chance = (this.#state.cells[cell]! >> 4) * 16 + 8
    const bit = this.code(Math.min(65_536 - leastChance, Math.max(leastChance, chance)), given)
    this.#update(cell, bit)
    return bit
  }

  /** One bit by all of `contexts`, mixed by the weights of `set`. */
  mix(node: number, set: number, given: number): number {
    const { cells, weights } = this.#state
    const first = (set % mcuWeightSets) * mcuInputs
    let sum = 0
    for (let i = 0; i < mcuInputs; i++) {
      const cell = cells[this.#cell(i, node)]!
      if ((cell & 15) !== 0) sum += Math.imul(stretch[cell >> 4]!, weights[first + i]!) >> 8
    }
    sum >>= 8
    const guess = squash[sum > 2047 ? 4095 : sum < -2047 ? 1 : sum + 2048]!
    const bit = this.code(Math.min(65_536 - leastChance, Math.max(leastChance, guess * 16 + 8)), given)
    const error = ((bit << 12) - guess) * learningRate
    for (let i = 0; i < mcuInputs; i++) {
      const at = this.#cell(i, node)
      const cell = cells[at]!
      if ((cell & 15) !== 0) weights[first + i]! += (Math.imul(stretch[cell >> 4]!, error) + 0x2000) >> 14
      this.#update(at, bit)
    }
    return bit
  }

  #cell(i: number, node: number): number {
    return Math.imul(this.contexts[i]! + node, spread) >>> this.#shift
  }

  tree(context: number, bits: number, given: number): number {
    let node = 1
    for (let i = bits - 1; i >= 0; i--) node = (node << 1) | this.bit(context + node, (given >> i) & 1)
    return node - (1 << bits)
  }

  mixedTree(set: number, bits: number, given: number): number {
    let node = 1
    for (let i = bits - 1; i >= 0; i--) node = (node << 1) | this.mix(node, set, (given >> i) & 1)
    return node - (1 << bits)
  }

  /** 32 bits unsigned: how many they are, the two below the leading one in contexts, the rest at even chances [D 10.4]. */
  uint(context: number, given: number): number {
    const length = this.tree(context, 6, 32 - Math.clz32(given))
    if (length <= 1) return length
    let number = 1
    for (let i = Math.min(length, 32) - 2, done = 0; i >= 0; i--, done++) {
      const bit = (given >>> i) & 1
      const at = context + 64 + (length << 3) + number
      number = (number << 1) | (done < 2 ? this.bit(at, bit) : this.code(32_768, bit))
    }
    return number >>> 0
  }

  sint(context: number, given: number): number {
    const folded = this.uint(context, ((given << 1) ^ (given >> 31)) >>> 0)
    return (folded >>> 1) ^ -(folded & 1)
  }

  /** Ends an encoder's stream as `Coder.finish` does. */
  finish(): void {
    const { slots } = this.#state
    const out = this.#out!
    const least = Math.max(0, out.length - (borrowedZeros - 4))
    for (let count = 0; count <= 4; count++) {
      const unit = 2 ** (32 - 8 * count)
      const number = Math.ceil((slots[Slot.low]! >>> 0) / unit) * unit
      if (number > slots[Slot.high]! >>> 0) continue
      for (let i = 0; i < count; i++) out.push(Math.floor(number / 2 ** (24 - 8 * i)) & 255)
      break
    }
    while (out.length > least && out.at(-1) === 0) out.pop()
  }
}
