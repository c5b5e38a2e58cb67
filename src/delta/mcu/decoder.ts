import { malformed } from '../limits.ts'
import { McuCodec } from './codec.ts'
import { McuCoder } from './coder.ts'
import { OldStream } from './old-stream.ts'
import { type McuSizes, McuState, mcuTableBits, mostRuns, mostStateBytes, Slot } from './state.ts'
import type { ReadOld } from './token-reader.ts'

/** Bytes behind the first one of a patch's head: bits of the table, runs of all maps [D 10.1]. */
export const mcuHeadBytes = 3

/** A step takes no more bytes than this [D 10.3]. */
const mostStepBytes = 192

/** @throws HyphaError `delta-malformed` where the sizes are none of the profile */
export function readMcuSizes(head: Uint8Array): McuSizes {
  const [tableBits = 0, low = 0, high = 0] = head
  const runs = low | (high << 8)
  const fits = tableBits >= mcuTableBits.least && tableBits <= mcuTableBits.most && runs <= mostRuns(tableBits)
  if (!fits) throw malformed(`its head asks for more than ${mostStateBytes} bytes of state`)
  return { tableBits, runs }
}

export const mcuHead = ({ tableBits, runs }: McuSizes): Uint8Array => Uint8Array.of(tableBits, runs & 255, runs >> 8)

/**
 * Applies a patch of the profile for microcontrollers [D 10] behind its head. All that it holds between two calls is `state`, of at most 8,192 bytes: a
 * decoder made with a kept state goes on with the byte of the patch, and of the new module, that come next.
 *
 * Throws HyphaError `delta-malformed` where the patch doesn't obey its format or doesn't fit the old module.
 */
export class McuDecoder {
  readonly #state: McuState
  readonly #coder: McuCoder
  readonly #codec: McuCodec

  /**
   * @param read the old module's bytes from an offset on, at most as many as asked for
   * @param size the old module's length
   * @param emit takes each byte of the new module, strictly in order
   * @param kept a state from before; without one decoding begins
   */
  constructor(sizes: McuSizes, read: ReadOld, size: number, emit: (byte: number) => void, kept?: ArrayBuffer) {
    this.#state = new McuState(sizes, kept)
    this.#coder = new McuCoder(this.#state, null)
    const old = new OldStream(this.#state, read, size)
    this.#codec = new McuCodec(this.#state, this.#coder, old, size, () => 0, emit)
    if (kept === undefined) this.#coder.begin()
  }

  /** All that the decoder holds. */
  get state(): ArrayBuffer {
    return this.#state.buffer
  }

  /** Takes bytes of the patch, as many as it has room for; answers how many it took. */
  write(chunk: Uint8Array): number {
    let taken = 0
    for (;;) {
      const took = this.#fill(chunk.subarray(taken))
      taken += took
      const { slots } = this.#state
      while (slots[Slot.inputEnd]! - slots[Slot.inputAt]! >= mostStepBytes && !this.#codec.done) this.#step()
      if (took === 0 || taken === chunk.length) return taken
    }
  }

  /** No more bytes come. */
  end(): void {
    const { slots } = this.#state
    while (!this.#codec.done) this.#step()
    if (slots[Slot.inputAt]! < slots[Slot.inputEnd]!) throw malformed('it goes on behind its end')
  }

  #step(): void {
    if (this.#state.slots[Slot.started] === 0) this.#coder.start()
    this.#codec.step()
  }

  #fill(chunk: Uint8Array): number {
    const { slots, input } = this.#state
    input.copyWithin(0, slots[Slot.inputAt]!, slots[Slot.inputEnd]!)
    slots[Slot.inputEnd]! -= slots[Slot.inputAt]!
    slots[Slot.inputAt] = 0
    const count = Math.min(chunk.length, input.length - slots[Slot.inputEnd]!)
    input.set(chunk.subarray(0, count), slots[Slot.inputEnd]!)
    slots[Slot.inputEnd]! += count
    return count
  }
}
