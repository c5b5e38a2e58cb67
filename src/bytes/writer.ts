const utf8 = new TextEncoder()

/** Collects bytes in a buffer that doubles as it fills. Numbers are little-endian. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>
  #view: DataView
  #length = 0

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get length(): number {
    return this.#length
  }

  /** Makes room, which may replace `#bytes` and `#view`, and returns the offset to write at. */
  #reserve(count: number): number {
    const at = this.#length
    const needed = at + count
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    this.#length = needed
    return at
  }

  u8(value: number): this {
    const at = this.#reserve(1)
    this.#view.setUint8(at, value)
    return this
  }

  u16(value: number): this {
    const at = this.#reserve(2)
    this.#view.setUint16(at, value, true)
    return this
  }

  u32(value: number): this {
    const at = this.#reserve(4)
    this.#view.setUint32(at, value, true)
    return this
  }

  f64(value: number): this {
    const at = this.#reserve(8)
    this.#view.setFloat64(at, value, true)
    return this
  }

  put(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length)
    this.#bytes.set(bytes, at)
    return this
  }

  /** An unsigned LEB128 number (WebAssembly 5.2.2). */
  uleb(value: number): this {
    let rest = value
    while (rest >= 0x80) {
      this.u8((rest % 0x80) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    return this.u8(rest)
  }

  /** UTF-8 with its length before it as LEB128, as WebAssembly writes names. */
  name(text: string): this {
    const bytes = utf8.encode(text)
    return this.uleb(bytes.length).put(bytes)
  }

  /** A signed number as LEB128 of twice its distance from zero, the lowest bit telling the sign (zigzag); at most 52 bits. */
  zigzag(value: number): this {
    return this.uleb(value < 0 ? (-1 - value) * 2 + 1 : value * 2)
  }

  /** Forgets what has been written after the first `length` bytes, so that the buffer is used again. */
  cut(length = 0): this {
    this.#length = Math.min(length, this.#length)
    return this
  }

  /** What has been written, without a copy: good until the next write. */
  view(from = 0): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(from, this.#length)
  }

  /** A copy of what has been written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length)
  }
}
