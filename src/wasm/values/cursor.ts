import { HyphaError } from '../../errors.ts'

/** Where in a value the walk is: `args[0].tags[3]`. Kept as a list, and only spelled where something is wrong. */
class Place {
  readonly #root: string
  readonly #keys: (string | number)[] = []

  constructor(root: string) {
    this.#root = root
  }

  enter(key: string | number): void {
    this.#keys.push(key)
  }

  leave(): void {
    this.#keys.pop()
  }

  toString(): string {
    const keys = this.#keys.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('')
    return `${this.#root}${keys}`.slice(0, 200)
  }
}

/** Major types of CBOR (RFC 8949, 3.1). */
export const major = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, other: 7 } as const

const utf8 = { encoder: new TextEncoder(), decoder: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }) }
const scratch = new DataView(new ArrayBuffer(8))

/** Writes CBOR into a buffer that never grows beyond a cap. */
export class ValueWriter {
  readonly place: Place
  readonly #maxBytes: number
  #bytes = new Uint8Array(256)
  #length = 0

  constructor(root: string, maxBytes: number) {
    this.place = new Place(root)
    this.#maxBytes = maxBytes
  }

  /** A value of the host's that isn't of its type. */
  wrong(expected: string, value: unknown): HyphaError {
    const where = this.place.toString()
    const got = value === null ? 'null' : typeof value
    return new HyphaError('abi-value', `${where} should be ${expected}, is ${got}`, { where })
  }

  /** Throws where so many more bytes would be too many: before anything is made of them. */
  room(count: number): void {
    if (this.#length + count <= this.#maxBytes) return
    const [root] = this.place.toString().split(/[.[]/)
    throw new HyphaError('values-too-large', `${root} is over ${this.#maxBytes} bytes at ${this.place}`, {
      where: this.place.toString(),
    })
  }

  #reserve(count: number): number {
    this.room(count)
    const at = this.#length
    if (at + count > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(at + count, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.#length = at + count
    return at
  }

  byte(value: number): void {
    const at = this.#reserve(1)
    this.#bytes[at] = value
  }

  /** The shortest head (RFC 8949, 4.2.1). */
  head(kind: number, argument: number): void {
    if (argument < 24) this.byte((kind << 5) | argument)
    else if (argument < 0x100) this.#number((kind << 5) | 24, 1, argument)
    else if (argument < 0x1_0000) this.#number((kind << 5) | 25, 2, argument)
    else this.#number((kind << 5) | 26, 4, argument)
  }

  #number(first: number, size: 1 | 2 | 4, value: number): void {
    const at = this.#reserve(1 + size)
    this.#bytes[at] = first
    for (let index = size; index > 0; index--) this.#bytes[at + size - index + 1] = value >>> (8 * (index - 1))
  }

  bigHead(kind: number, argument: bigint): void {
    if (argument <= 0xffff_ffffn) {
      this.head(kind, Number(argument))
      return
    }
    scratch.setBigUint64(0, argument)
    this.#scratched((kind << 5) | 27, 8)
  }

  f32(value: number): void {
    scratch.setFloat32(0, value)
    if (Number.isNaN(value)) scratch.setUint32(0, 0x7fc0_0000)
    this.#scratched(0xfa, 4)
  }

  f64(value: number): void {
    scratch.setFloat64(0, value)
    if (Number.isNaN(value)) scratch.setBigUint64(0, 0x7ff8_0000_0000_0000n)
    this.#scratched(0xfb, 8)
  }

  #scratched(first: number, size: number): void {
    const at = this.#reserve(1 + size)
    this.#bytes[at] = first
    for (let index = 0; index < size; index++) this.#bytes[at + 1 + index] = scratch.getUint8(index)
  }

  bytes(value: Uint8Array): void {
    this.room(value.length)
    this.head(major.bytes, value.length)
    const at = this.#reserve(value.length)
    this.#bytes.set(value, at)
  }

  text(value: string): void {
    // Each character takes a byte at least.
    this.room(value.length)
    const encoded = utf8.encoder.encode(value)
    this.head(major.text, encoded.length)
    const at = this.#reserve(encoded.length)
    this.#bytes.set(encoded, at)
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length)
  }
}

/** Reads the same form of CBOR from bytes that may come from anyone: every length is checked against what is left before memory is spent on it. */
export class ValueReader {
  readonly place: Place
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(root: string, bytes: Uint8Array) {
    this.place = new Place(root)
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  wrong(expected: string): HyphaError {
    const where = this.place.toString()
    return new HyphaError('values-malformed', `${where} should be ${expected}, before byte ${this.#at}`, { where })
  }

  #take(count: number): number {
    if (count > this.left) throw this.wrong(`${count} bytes, of which ${this.left} are there`)
    const at = this.#at
    this.#at = at + count
    return at
  }

  byte(): number {
    return this.#bytes[this.#take(1)]!
  }

  /** The argument of a head of this kind, of at most 32 bits. `expected` is for the error. */
  head(kind: number, expected: string): number {
    const first = this.byte()
    if (first >> 5 !== kind) throw this.wrong(expected)
    return this.#argument(first & 0x1f, expected)
  }

  #argument(info: number, expected: string): number {
    if (info < 24) return info
    switch (info) {
      case 24:
        return this.byte()
      case 25:
        return this.#view.getUint16(this.#take(2))
      case 26:
        return this.#view.getUint32(this.#take(4))
      default:
        throw this.wrong(expected)
    }
  }

  /** A whole number of at most 33 bits with its sign. */
  integer(expected: string): number {
    const first = this.byte()
    const kind = first >> 5
    if (kind > 1) throw this.wrong(expected)
    const argument = this.#argument(first & 0x1f, expected)
    return kind === 0 ? argument : -1 - argument
  }

  bigint(expected: string): bigint {
    const first = this.byte()
    const kind = first >> 5
    if (kind > 1) throw this.wrong(expected)
    const info = first & 0x1f
    const argument = info === 27 ? this.#view.getBigUint64(this.#take(8)) : BigInt(this.#argument(info, expected))
    return kind === 0 ? argument : -1n - argument
  }

  f32(): number {
    if (this.byte() !== 0xfa) throw this.wrong('a float of 32 bits')
    return this.#view.getFloat32(this.#take(4))
  }

  f64(): number {
    if (this.byte() !== 0xfb) throw this.wrong('a float of 64 bits')
    return this.#view.getFloat64(this.#take(8))
  }

  /** A copy. */
  bytes(expected: string): Uint8Array<ArrayBuffer> {
    const length = this.head(major.bytes, expected)
    const at = this.#take(length)
    return new Uint8Array(this.#bytes.subarray(at, at + length))
  }

  text(): string {
    const length = this.head(major.text, 'text')
    const at = this.#take(length)
    try {
      return utf8.decoder.decode(this.#bytes.subarray(at, at + length))
    } catch {
      throw this.wrong('text in UTF-8')
    }
  }

  /** How many items an array has: at most as many as bytes are left. */
  count(expected: string): number {
    const count = this.head(major.array, expected)
    if (count > this.left) throw this.wrong(`an array of ${count} items, of which at most ${this.left} are there`)
    return count
  }

  end(): void {
    if (this.left > 0) throw this.wrong(`at its end, and not have ${this.left} bytes more`)
  }
}
