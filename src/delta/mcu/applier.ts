import { malformed, maxContentBytes } from '../limits.ts'
import { Sink } from '../sink.ts'
import { McuDecoder, mcuHeadBytes, readMcuSizes } from './decoder.ts'

/** Applies a patch of the profile for microcontrollers where there is memory enough: the old module lies there, and pieces come and go as they like. */
export class McuApplier {
  readonly #base: Uint8Array
  readonly #head = new Sink(mcuHeadBytes)
  readonly #sink = new Sink(maxContentBytes)
  #decoder: McuDecoder | null = null

  constructor(base: Uint8Array) {
    this.#base = base
  }

  /** Bytes behind the first one; answers what they make known. */
  write(chunk: Uint8Array): Uint8Array<ArrayBuffer> {
    let rest = chunk
    if (this.#decoder === null) {
      const count = Math.min(chunk.length, mcuHeadBytes - this.#head.length)
      this.#head.put(chunk, 0, count)
      rest = chunk.subarray(count)
      if (this.#head.length < mcuHeadBytes) return new Uint8Array()
      const read = (offset: number, length: number) => this.#base.subarray(offset, offset + length)
      const emit = (byte: number) => this.#sink.byte(byte)
      this.#decoder = new McuDecoder(readMcuSizes(this.#head.view()), read, this.#base.length, emit)
    }
    for (let at = 0; at < rest.length; ) {
      const took = this.#decoder.write(rest.subarray(at))
      if (took === 0) throw malformed('it goes on behind its end')
      at += took
    }
    return this.#sink.take()
  }

  end(): Uint8Array<ArrayBuffer> {
    if (this.#decoder === null) throw malformed('it ends within its head')
    this.#decoder.end()
    return this.#sink.take()
  }
}
