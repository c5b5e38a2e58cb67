import type { Duplex } from 'node:stream'
import { deserialize, serialize } from 'node:v8'
import { HyphaError } from '@hypha/core/errors.ts'

const headerBytes = 4

/**
 * Messages over a byte stream between processes: the length in four bytes, little-endian, then the value as V8 serialises it, which is what threads
 * send one another.
 *
 * @param maxBytes of one message that comes in: a longer one, or one that can't be read, ends the stream.
 */
export class Frames {
  readonly #stream: Duplex
  readonly #maxBytes: number
  #parts: Buffer[] = []
  #received = 0
  /** Of the message that is coming in, header included; null until the header is there. */
  #awaited: number | null = null

  constructor(stream: Duplex, maxBytes: number, take: (message: unknown) => void) {
    this.#stream = stream
    this.#maxBytes = maxBytes
    stream.on('data', (part: Buffer) => {
      try {
        this.#receive(part, take)
      } catch (thrown) {
        stream.destroy(thrown instanceof Error ? thrown : new Error(String(thrown)))
      }
    })
  }

  send(message: unknown): void {
    if (!this.#stream.writable) return
    const body = serialize(message)
    const header = Buffer.alloc(headerBytes)
    header.writeUInt32LE(body.length)
    this.#stream.cork()
    this.#stream.write(header)
    this.#stream.write(body)
    this.#stream.uncork()
  }

  #receive(part: Buffer, take: (message: unknown) => void): void {
    this.#parts.push(part)
    this.#received += part.length
    for (;;) {
      if (this.#awaited === null) {
        if (this.#received < headerBytes) return
        const length = this.#joined().readUInt32LE(0)
        if (length > this.#maxBytes) {
          throw new HyphaError('bytes-too-long', `A message of ${length} bytes is over the cap of ${this.#maxBytes}`)
        }
        this.#awaited = headerBytes + length
      }
      if (this.#received < this.#awaited) return
      const bytes = this.#joined()
      const rest = bytes.subarray(this.#awaited)
      const message: unknown = deserialize(bytes.subarray(headerBytes, this.#awaited))
      this.#parts = [rest]
      this.#received = rest.length
      this.#awaited = null
      take(message)
    }
  }

  /** Once for the header and once for the whole of a message, however many parts it comes in. */
  #joined(): Buffer {
    const [first] = this.#parts
    const joined = this.#parts.length === 1 && first !== undefined ? first : Buffer.concat(this.#parts)
    this.#parts = [joined]
    return joined
  }
}
