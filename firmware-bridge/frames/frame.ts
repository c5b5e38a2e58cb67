import { crc32 } from '@hypha/core/bytes/crc32.ts'
import { ByteReader } from '@hypha/core/bytes/reader.ts'
import { ByteWriter } from '@hypha/core/bytes/writer.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { CobsBad } from './cobs.ts'

/** The channels of a line, each with a window of its own; their places are their numbers. Only ever added to at the end. [S 1.4] */
export const channels = ['control', 'update', 'telemetry', 'inputs'] as const

export type Channel = (typeof channels)[number]

/** The least and the most that a side may announce as its longest payload. [S 3.2] */
export const minMaxPayload = 64
export const maxMaxPayload = 4096

/** Bytes of a frame beside its payload: head and CRC. [S 2.3] */
export const frameOverhead = 9

/** A frame before its kind is looked at. [S 2.3] */
export interface RawFrame {
  /** What kind of frame, 0 to 15. */
  readonly code: number
  /** 0 to 15. */
  readonly channel: number
  /** 0 to 65,535. */
  readonly number: number
  readonly payload: Uint8Array
}

/** A frame that was dropped, and why. [S 2.7] */
export interface BadFrame {
  readonly kind: 'bad'
  readonly why: BadWhy
}

export type BadWhy =
  | CobsBad['why']
  /** Fewer bytes than a frame without a payload has. */
  | 'too-short'
  | 'crc'
  /** The payload is not as long as the head says. */
  | 'length'
  /** A kind or a channel that this version doesn't know. */
  | 'kind'
  /** A field of the kind is missing or outside its range. */
  | 'fields'

// One object a reason, so that a peer that babbles costs no memory.
const badFrames: { readonly [W in BadWhy]: BadFrame } = {
  'too-long': { kind: 'bad', why: 'too-long' },
  cut: { kind: 'bad', why: 'cut' },
  'too-short': { kind: 'bad', why: 'too-short' },
  crc: { kind: 'bad', why: 'crc' },
  length: { kind: 'bad', why: 'length' },
  kind: { kind: 'bad', why: 'kind' },
  fields: { kind: 'bad', why: 'fields' },
}

export const badWhys = Object.keys(badFrames) as readonly BadWhy[]

export const bad = (why: BadWhy): BadFrame => badFrames[why]

/** The bytes of a frame before they are stuffed: head, payload, CRC. Throws `bytes-too-long` for a payload over every cap. */
export function sealFrame(raw: RawFrame): Uint8Array<ArrayBuffer> {
  if (raw.payload.length > maxMaxPayload) {
    throw new HyphaError(
      'bytes-too-long',
      `a frame's payload has ${raw.payload.length} bytes, at most ${maxMaxPayload} are allowed`,
    )
  }
  const bytes = new ByteWriter(frameOverhead + raw.payload.length)
    .u8((raw.channel << 4) | raw.code)
    .u16(raw.number)
    .u16(raw.payload.length)
    .put(raw.payload)
  return bytes.u32(crc32(bytes.view())).finish()
}

/** Checks the unstuffed bytes of a frame in the order of [S 2.7]. */
export function openFrame(bytes: Uint8Array<ArrayBuffer>): RawFrame | BadFrame {
  if (bytes.length < frameOverhead) return bad('too-short')
  const reader = new ByteReader(bytes, 'frame')
  const head = reader.u8()
  const number = reader.u16()
  const length = reader.u16()
  const payload = bytes.subarray(reader.at, bytes.length - 4)
  reader.at += payload.length
  if (reader.u32() !== crc32(bytes.subarray(0, -4))) return bad('crc')
  if (length !== payload.length) return bad('length')
  return { code: head & 0x0f, channel: head >>> 4, number, payload }
}
