import { type ErrorCode, HyphaError } from '../errors.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads values from bytes that may come from anyone: every read is checked against the end, and every length against
 * what is left, before memory is spent on it.
 */
export class ByteReader {
  readonly bytes: Uint8Array
  readonly end: number
  /** Offset of the next byte to read, from the start of `bytes`. */
  at: number
  readonly #view: DataView
  /** What is being read, for error messages: "component", "frame". */
  readonly #what: string

  constructor(bytes: Uint8Array, what: string, at = 0, end = bytes.length) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#what = what
    this.at = at
    this.end = end
  }

  get left(): number {
    return this.end - this.at
  }

  get done(): boolean {
    return this.at >= this.end
  }

  /** An error about the bytes at `at`, to be thrown by the caller. */
  fail(message: string, code: ErrorCode = 'bytes-malformed', at = this.at): HyphaError {
    return new HyphaError(code, `${this.#what}: ${message}`, { where: `byte ${at}` })
  }

  #need(count: number): void {
    if (count > this.end - this.at) {
      throw this.fail(`needs ${count} more bytes, ${this.end - this.at} are left`, 'bytes-truncated')
    }
  }

  u8(): number {
    this.#need(1)
    return this.bytes[this.at++]!
  }

  peek(): number {
    this.#need(1)
    return this.bytes[this.at]!
  }

  u16(): number {
    this.#need(2)
    const value = this.#view.getUint16(this.at, true)
    this.at += 2
    return value
  }

  u32(): number {
    this.#need(4)
    const value = this.#view.getUint32(this.at, true)
    this.at += 4
    return value
  }

  f64(): number {
    this.#need(8)
    const value = this.#view.getFloat64(this.at, true)
    this.at += 8
    return value
  }

  /** A view of the next `count` bytes (no copy). */
  take(count: number): Uint8Array {
    this.#need(count)
    const slice = this.bytes.subarray(this.at, this.at + count)
    this.at += count
    return slice
  }

  skip(count: number): void {
    this.#need(count)
    this.at += count
  }

  /** A reader of the next `count` bytes; this reader moves past them. */
  sub(count: number, what = this.#what): ByteReader {
    this.#need(count)
    const reader = new ByteReader(this.bytes, what, this.at, this.at + count)
    this.at += count
    return reader
  }

  /** An unsigned LEB128 number of at most 32 bits (WebAssembly 5.2.2). */
  uleb(): number {
    let result = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8()
      if (shift === 28 && byte > 0x0f)
        throw this.fail('a LEB128 number is over 32 bits', 'bytes-malformed', this.at - 1)
      result += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return result
    }
    throw this.fail('a LEB128 number is too long')
  }

  /** An unsigned LEB128 number of at most 53 bits: as far as JavaScript counts. */
  uleb53(): number {
    let result = 0
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = this.u8()
      result += (byte & 0x7f) * scale
      if (byte >= 0x80) continue
      if (result > Number.MAX_SAFE_INTEGER) break
      return result
    }
    throw this.fail('a LEB128 number is over 53 bits')
  }

  /** What `ByteWriter.zigzag` wrote. */
  zigzag(): number {
    const coded = this.uleb53()
    return coded % 2 === 1 ? -1 - (coded - 1) / 2 : coded / 2
  }

  /** A signed LEB128 number of at most `bits` bits (WebAssembly 5.2.2), as a bigint. */
  sleb(bits: 32 | 33 | 64): bigint {
    let result = 0n
    let shift = 0n
    for (;;) {
      const byte = this.u8()
      result |= BigInt(byte & 0x7f) << shift
      shift += 7n
      if (byte < 0x80) {
        if (byte & 0x40) result -= 1n << shift
        break
      }
      if (shift >= BigInt(bits)) throw this.fail('a LEB128 number is too long')
    }
    const half = 1n << BigInt(bits - 1)
    if (result < -half || result >= half) throw this.fail(`a LEB128 number is over ${bits} bits`)
    return result
  }

  /** `count` bytes of UTF-8; malformed sequences are refused. */
  text(count: number): string {
    const at = this.at
    const bytes = this.take(count)
    try {
      return utf8.decode(bytes)
    } catch (cause) {
      throw new HyphaError('bytes-malformed', `${this.#what}: text is not UTF-8`, { where: `byte ${at}`, cause })
    }
  }
}
