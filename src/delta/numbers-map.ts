/** Places of each table, as a power of two. */
const bodyBits = 8
const moduleBits = 12
/** Numbers of one body whose neighbours are told by them. */
const mostNeighbours = 128
/** Numbers below are everywhere, and say nothing of each other. */
const leastNumber = 8
const mostTrust = 3

/** What became of numbers, where each has one place of a table. */
class Places {
  readonly #bits: number
  readonly #key: Int32Array
  readonly #to: Int32Array
  readonly #trust: Uint8Array

  constructor(bits: number) {
    this.#bits = bits
    this.#key = new Int32Array(1 << bits)
    this.#to = new Int32Array(1 << bits)
    this.#trust = new Uint8Array(1 << bits)
  }

  clear(): void {
    this.#trust.fill(0)
  }

  /** How often at a stretch it went there; 0 where nothing is known. */
  trust(key: number): number {
    const at = this.#at(key)
    return this.#key[at] === key ? this.#trust[at]! : 0
  }

  to(key: number): number {
    return this.#to[this.#at(key)]!
  }

  learn(key: number, to: number): void {
    const at = this.#at(key)
    if (this.#key[at] !== key || this.#to[at] !== to || this.#trust[at] === 0) {
      this.#key[at] = key
      this.#to[at] = to
      this.#trust[at] = 1
    } else if (this.#trust[at]! < mostTrust) this.#trust[at]!++
  }

  #at(key: number): number {
    return Math.imul(key, 0x9e3779b1) >>> (32 - this.#bits)
  }
}

/**
 * Where numbers went that are no addresses: places on the stack and within structures. One that was met before is suggested to go where it went then,
 * and one that wasn't, as far as its nearest neighbour below within the body [D 5.10].
 */
export class NumbersMap {
  readonly #body = new Places(bodyBits)
  readonly #module = new Places(moduleBits)
  readonly #near = new Int32Array(mostNeighbours)
  readonly #shift = new Int32Array(mostNeighbours)
  #count = 0
  /** The two suggestions, and how sure each is: 0 where there is none. */
  first = 0
  second = 0
  firstSure = 0
  secondSure = 0

  begin(): void {
    this.#body.clear()
    this.#count = 0
  }

  suggest(kind: number, value: number): void {
    this.firstSure = 0
    this.secondSure = 0
    if (value < leastNumber) return
    const inBody = this.#body.trust(value)
    const places = inBody > 0 ? this.#body : this.#module
    const key = inBody > 0 ? value : value ^ (kind << 26)
    const trust = inBody > 0 ? inBody : places.trust(key)
    if (trust > 0) {
      this.first = places.to(key)
      this.firstSure = (inBody > 0 ? 6 : 0) + (this.first === value ? 0 : 3) + trust
    }
    let at = this.#count - 1
    while (at >= 0 && this.#near[at]! > value) at--
    if (at < 0) return
    this.second = (value + this.#shift[at]!) | 0
    this.secondSure = this.second === value ? 1 : 2
  }

  learn(kind: number, value: number, to: number): void {
    if (value < leastNumber) return
    this.#body.learn(value, to)
    this.#module.learn(value ^ (kind << 26), to)
    let at = this.#count
    while (at > 0 && this.#near[at - 1]! >= value) at--
    if (at === this.#count || this.#near[at] !== value) {
      if (this.#count === mostNeighbours) return
      this.#near.copyWithin(at + 1, at, this.#count)
      this.#shift.copyWithin(at + 1, at, this.#count)
      this.#near[at] = value
      this.#count++
    }
    this.#shift[at] = (to - value) | 0
  }
}
