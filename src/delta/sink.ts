import { malformed } from './limits.ts'

/** Bytes of a module, written front to back; never more than `limit`, whatever a patch says [D 2.3]. */
export class Sink {
  bytes: Uint8Array<ArrayBuffer>
  /** Bytes that are held. */
  length = 0
  readonly limit: number
  #taken = 0

  constructor(limit: number, capacity = 4096) {
    this.limit = limit
    this.bytes = new Uint8Array(Math.min(limit, capacity) + 32)
  }

  /** Room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.bytes.length) return
    if (needed > this.limit + 32) throw malformed(`more comes out than its ${this.limit} bytes`)
    const grown = new Uint8Array(Math.min(this.limit + 32, Math.max(needed, this.bytes.length * 2)))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
  }

  byte(value: number): void {
    this.reserve(1)
    this.bytes[this.length++] = value
  }

  put(bytes: Uint8Array, from = 0, to = bytes.length): void {
    if (from === to) return
    this.reserve(to - from)
    if (to - from < 16) for (let i = from; i < to; i++) this.bytes[this.length++] = bytes[i]!
    else {
      this.bytes.set(bytes.subarray(from, to), this.length)
      this.length += to - from
    }
  }

  /** LEB128 of 32 bits with `pad` bytes more than needed (WebAssembly 5.2.2). */
  uleb(value: number, pad = 0): void {
    this.reserve(24)
    let rest = value >>> 0
    while (rest >= 0x80) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.bytes[this.length++] = pad > 0 ? rest | 0x80 : rest
    for (let i = 1; i <= pad; i++) this.bytes[this.length++] = i < pad ? 0x80 : 0
  }

  /** Signed LEB128 of up to 64 bits, in two halves. */
  sleb(low: number, high: number = low >> 31, pad = 0): void {
    this.reserve(24)
    const count = slebLength(low, high)
    let lo = low
    let hi = high
    for (let i = 0; i < count; i++) {
      const digit = lo & 0x7f
      lo = (lo >>> 7) | (hi << 25)
      hi >>= 7
      this.bytes[this.length++] = i < count - 1 || pad > 0 ? digit | 0x80 : digit
    }
    const fill = hi & 0x7f
    for (let i = 1; i <= pad; i++) this.bytes[this.length++] = i < pad ? fill | 0x80 : fill
  }

  /** Four bytes, the lowest first. */
  word(value: number): void {
    this.reserve(4)
    for (let shift = 0; shift < 32; shift += 8) this.bytes[this.length++] = value >>> shift
  }

  /** All bytes written so far. */
  get total(): number {
    return this.#taken + this.length
  }

  /** The bytes that are held; they are given away. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.bytes.slice(0, this.length)
    this.#taken += this.length
    this.length = 0
    if (this.#taken > this.limit) throw malformed(`more comes out than its ${this.limit} bytes`)
    return taken
  }

  view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length)
  }
}

export function ulebLength(value: number): number {
  const v = value >>> 0
  return v < 0x80 ? 1 : v < 0x4000 ? 2 : v < 0x20_0000 ? 3 : v < 0x1000_0000 ? 4 : 5
}

export function slebLength(low: number, high: number = low >> 31): number {
  if (high === low >> 31) {
    const magnitude = low < 0 ? ~low : low
    return magnitude < 0x40 ? 1 : magnitude < 0x2000 ? 2 : magnitude < 0x10_0000 ? 3 : magnitude < 0x800_0000 ? 4 : 5
  }
  const magnitude = high < 0 ? ~high : high
  const bits = 33 + (32 - Math.clz32(magnitude))
  return Math.min(10, Math.ceil(bits / 7))
}
