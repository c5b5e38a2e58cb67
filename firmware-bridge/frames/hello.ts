import { ByteReader } from '@hypha/core/bytes/reader.ts'
import { ByteWriter } from '@hypha/core/bytes/writer.ts'
import { type BadFrame, bad, channels, maxMaxPayload, minMaxPayload, type RawFrame } from './frame.ts'

/** The versions of docs/serial.md that this side speaks. */
export const spokenVersions: VersionRange = { oldest: 1, newest: 1 }

export interface VersionRange {
  readonly oldest: number
  readonly newest: number
}

/** What a side can take. [S 3.2] */
export interface Limits {
  /** Bytes of one frame's payload, 64 to 4096. */
  readonly maxPayload: number
  /** Frames of one channel that may be under way, 1 to 32. */
  readonly window: number
  /** Bytes kept for frames of all channels, each of them counted as `maxPayload`; at least one frame a channel. */
  readonly arena: number
}

/** Says who speaks and what it can take, before anything else may be said. [S 3.2] [S 4] */
export interface Hello extends Limits {
  readonly kind: 'hello'
  readonly versions: VersionRange
  /** Whether the sender waits to hear that it is known. */
  readonly answer: boolean
  /** The sender's incarnation: a random number other than 0, a new one at each start and each reset. */
  readonly own: number
  /** The incarnation that the sender has heard from its peer, or 0. */
  readonly peer: number
}

/** As many as the ack's bitmap has bits. [S 3.4] */
export const maxWindow = 32
const payloadBytes = 18
const answerFlag = 1

export const helloCodec = {
  code: 1,
  encode: (hello: Hello): RawFrame => ({
    code: 1,
    channel: 0,
    number: 0,
    payload: new ByteWriter(payloadBytes)
      .u8(hello.versions.oldest)
      .u8(hello.versions.newest)
      .u8(hello.answer ? answerFlag : 0)
      .u8(hello.window)
      .u16(hello.maxPayload)
      .u32(hello.arena)
      .u32(hello.own)
      .u32(hello.peer)
      .finish(),
  }),
  decode(raw: RawFrame): Hello | BadFrame {
    // Later versions may add bytes at the end. [S 3.2]
    if (raw.channel !== 0 || raw.number !== 0 || raw.payload.length < payloadBytes) return bad('fields')
    const reader = new ByteReader(raw.payload, 'hello')
    const hello: Hello = {
      kind: 'hello',
      versions: { oldest: reader.u8(), newest: reader.u8() },
      answer: (reader.u8() & answerFlag) !== 0,
      window: reader.u8(),
      maxPayload: reader.u16(),
      arena: reader.u32(),
      own: reader.u32(),
      peer: reader.u32(),
    }
    return inRange(hello) ? hello : bad('fields')
  },
}

const inRange = ({ versions, window, maxPayload, arena, own }: Hello): boolean =>
  versions.oldest >= 1 &&
  versions.newest >= versions.oldest &&
  window >= 1 &&
  window <= maxWindow &&
  maxPayload >= minMaxPayload &&
  maxPayload <= maxMaxPayload &&
  arena >= channels.length * maxPayload &&
  own !== 0

/** The newest version that both speak, or null. [S 4.5] */
export function commonVersion(a: VersionRange, b: VersionRange): number | null {
  const version = Math.min(a.newest, b.newest)
  return version >= Math.max(a.oldest, b.oldest) ? version : null
}
