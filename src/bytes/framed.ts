import { HyphaError } from '../errors.ts'

/** A message behind its length, as 4 bytes, little-endian. */
export function framed(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + message.length)
  new DataView(bytes.buffer).setUint32(0, message.length, true)
  bytes.set(message, 4)
  return bytes
}

/** Takes what `framed` made out of a stream that cuts it anywhere. */
export class FramedReader {
  readonly #maxBytes: number
  #pieces: Uint8Array[] = []
  #length = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The messages that end in these bytes. Throws `bytes-too-long` for one over the cap, before it is kept. */
  push(bytes: Uint8Array): Uint8Array[] {
    this.#pieces.push(bytes)
    this.#length += bytes.length
    const messages: Uint8Array[] = []
    for (let size = this.#nextSize(); size !== null && this.#length >= 4 + size; size = this.#nextSize()) {
      messages.push(this.#take(4 + size).subarray(4))
    }
    return messages
  }

  #nextSize(): number | null {
    if (this.#length < 4) return null
    const head = this.#take(4)
    this.#pieces.unshift(head)
    this.#length += 4
    const size = new DataView(head.buffer, head.byteOffset).getUint32(0, true)
    if (size > this.#maxBytes) {
      throw new HyphaError(
        'bytes-too-long',
        `A message of ${size} bytes is announced, at most ${this.#maxBytes} are taken`,
      )
    }
    return size
  }

  /** The first bytes, in one piece. */
  #take(count: number): Uint8Array {
    const taken = new Uint8Array(count)
    let at = 0
    while (at < count) {
      const piece = this.#pieces.shift()!
      const used = piece.subarray(0, count - at)
      taken.set(used, at)
      at += used.length
      if (used.length < piece.length) this.#pieces.unshift(piece.subarray(used.length))
    }
    this.#length -= count
    return taken
  }
}
