import { type Ack, ackCodec } from './ack.ts'
import { CobsDecoder, cobsEncode } from './cobs.ts'
import { type Data, dataCodec } from './data.ts'
import {
  type BadFrame,
  type BadWhy,
  bad,
  badWhys,
  frameOverhead,
  openFrame,
  type RawFrame,
  sealFrame,
} from './frame.ts'
import { type Hello, helloCodec } from './hello.ts'
import { type Reset, resetCodec } from './reset.ts'

export type Frame = Hello | Data | Ack | Reset

const codecs: readonly { readonly code: number; decode(raw: RawFrame): Frame | BadFrame }[] = [
  helloCodec,
  dataCodec,
  ackCodec,
  resetCodec,
]

function toRaw(frame: Frame): RawFrame {
  switch (frame.kind) {
    case 'hello':
      return helloCodec.encode(frame)
    case 'data':
      return dataCodec.encode(frame)
    case 'ack':
      return ackCodec.encode(frame)
    case 'reset':
      return resetCodec.encode(frame)
  }
}

/** A frame as it goes over the line, with a zero byte on each side. [S 2.1] */
export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  const coded = cobsEncode(sealFrame(toRaw(frame)))
  const bytes = new Uint8Array(coded.length + 2)
  bytes.set(coded, 1)
  return bytes
}

/** A frame from its unstuffed bytes. Never throws. [S 2.7] */
export function decodeFrame(bytes: Uint8Array<ArrayBuffer>): Frame | BadFrame {
  const raw = openFrame(bytes)
  if ('kind' in raw) return raw
  return codecs.find(({ code }) => code === raw.code)?.decode(raw) ?? bad('kind')
}

/** The receiving end of a line: bytes in pieces of any size, frames out, and a count of what was dropped. Never throws. */
export class FrameReader {
  readonly #decoder: CobsDecoder
  readonly #dropped = Object.fromEntries(badWhys.map((why) => [why, 0])) as Record<BadWhy, number>

  /** `maxPayload`: what this side's hello announces. A longer frame is dropped before memory is spent on it. [S 2.6] */
  constructor(maxPayload: number) {
    this.#decoder = new CobsDecoder(frameOverhead + maxPayload)
  }

  /** How many frames were dropped, by reason. */
  get dropped(): Readonly<Record<BadWhy, number>> {
    return this.#dropped
  }

  push(chunk: Uint8Array): (Frame | BadFrame)[] {
    return this.#decoder.push(chunk).map((result) => {
      const frame = result.kind === 'bad' ? bad(result.why) : decodeFrame(result.bytes)
      if (frame.kind === 'bad') this.#dropped[frame.why]++
      return frame
    })
  }
}
