// Consistent Overhead Byte Stuffing (Cheshire and Baker, IEEE/ACM Transactions on Networking 7(2), 1999): a frame without zero
// bytes, so that a zero byte always ends one. It costs one byte, and one more for each 254.

/** What one frame's bytes came to: its plain bytes, or why they were dropped. */
export type CobsResult = { readonly kind: 'plain'; readonly bytes: Uint8Array<ArrayBuffer> } | CobsBad

export interface CobsBad {
  readonly kind: 'bad'
  /** `cut`: a zero byte came inside a group. `too-long`: more bytes than the decoder keeps. */
  readonly why: 'cut' | 'too-long'
}

// Shared, so that a peer that babbles costs no memory.
const cut: CobsBad = { kind: 'bad', why: 'cut' }
const tooLong: CobsBad = { kind: 'bad', why: 'too-long' }

/** A code byte of 255 stands for 254 bytes with no zero after them. [S 2.2] */
const fullGroup = 0xff

/** The most bytes that `count` plain bytes are coded in, without the zero bytes around them. */
export const maxCobsBytes = (count: number): number => Math.max(1, count + Math.ceil(count / 254))

/** The coded form of any bytes: never a zero among them, and no zero after them. [S 2.2] */
export function cobsEncode(plain: Uint8Array): Uint8Array<ArrayBuffer> {
  const coded = new Uint8Array(maxCobsBytes(plain.length))
  let codeAt = 0
  let at = 1
  const closeGroup = () => {
    coded[codeAt] = at - codeAt
    codeAt = at++
  }
  for (const byte of plain) {
    // A full group is closed by the byte that comes after it: at the end of a frame none follows.
    if (at - codeAt === fullGroup) closeGroup()
    if (byte === 0) closeGroup()
    else coded[at++] = byte
  }
  coded[codeAt] = at - codeAt
  return coded.subarray(0, at)
}

/**
 * Takes the bytes of a line in pieces of any size and gives back the frames that end in them. Its memory is one buffer of
 * `maxBytes`, whatever comes; whatever came, it is in step again after the next zero byte. [S 2.6]
 */
export class CobsDecoder {
  readonly #plain: Uint8Array
  /** How many plain bytes the frame has so far, also those beyond the buffer's end, up to one. */
  #length = 0
  /** Bytes that the current group still lacks; 0: the next byte is a code. */
  #left = 0
  /** Whether the last group stands for a zero byte, if another group follows. */
  #zeroDue = false
  #begun = false

  constructor(maxBytes: number) {
    this.#plain = new Uint8Array(maxBytes)
  }

  push(chunk: Uint8Array): CobsResult[] {
    const results: CobsResult[] = []
    for (const byte of chunk) {
      if (byte !== 0) this.#take(byte)
      // Two zero bytes with nothing between them are no frame. [S 2.8]
      else if (this.#begun) results.push(this.#end())
    }
    return results
  }

  #take(byte: number): void {
    this.#begun = true
    if (this.#length > this.#plain.length) return
    if (this.#left > 0) {
      this.#left--
      this.#append(byte)
      return
    }
    if (this.#zeroDue) this.#append(0)
    this.#left = byte - 1
    this.#zeroDue = byte !== fullGroup
  }

  #append(byte: number): void {
    // Beyond the end only the length tells; the byte itself is not kept.
    if (this.#length < this.#plain.length) this.#plain[this.#length] = byte
    this.#length++
  }

  #end(): CobsResult {
    const result: CobsResult =
      this.#length > this.#plain.length
        ? tooLong
        : this.#left > 0
          ? cut
          : { kind: 'plain', bytes: this.#plain.slice(0, this.#length) }
    this.#length = 0
    this.#left = 0
    this.#zeroDue = false
    this.#begun = false
    return result
  }
}
