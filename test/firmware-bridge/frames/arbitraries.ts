import fc from 'fast-check'
import type { Ack } from '../../../firmware-bridge/frames/ack.ts'
import type { Data } from '../../../firmware-bridge/frames/data.ts'
import { channels } from '../../../firmware-bridge/frames/frame.ts'
import type { Hello } from '../../../firmware-bridge/frames/hello.ts'
import type { Frame } from '../../../firmware-bridge/frames/line.ts'
import { type Reset, resetReasons } from '../../../firmware-bridge/frames/reset.ts'

export const maxPayload = 300

/** Many zeros and long runs without one: where stuffing has its edges. */
export const plainBytes = (maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.uint8Array({ maxLength }),
    fc.array(fc.constantFrom(0, 0, 1, 255), { maxLength }).map((bytes) => Uint8Array.from(bytes)),
    fc.nat(maxLength).map((length) => new Uint8Array(length).fill(7)),
  )

const u16 = fc.nat(0xffff)
const u32 = fc.nat(0xffff_ffff)
const channel = fc.constantFrom(...channels)

const hello: fc.Arbitrary<Hello> = fc.record({
  kind: fc.constant('hello' as const),
  versions: fc.constantFrom({ oldest: 1, newest: 1 }, { oldest: 2, newest: 9 }, { oldest: 1, newest: 255 }),
  answer: fc.boolean(),
  window: fc.integer({ min: 1, max: 32 }),
  maxPayload: fc.integer({ min: 64, max: 4096 }),
  arena: fc.integer({ min: 4 * 4096, max: 0xffff_ffff }),
  own: fc.integer({ min: 1, max: 0xffff_ffff }),
  peer: u32,
})
const data: fc.Arbitrary<Data> = fc.record({
  kind: fc.constant('data' as const),
  channel,
  number: u16,
  payload: plainBytes(maxPayload),
})
const ack: fc.Arbitrary<Ack> = fc.record({ kind: fc.constant('ack' as const), channel, next: u16, held: u32 })
const reset: fc.Arbitrary<Reset> = fc.record({
  kind: fc.constant('reset' as const),
  own: fc.integer({ min: 1, max: 0xffff_ffff }),
  reason: fc.constantFrom(...resetReasons),
})

export const frames: fc.Arbitrary<Frame> = fc.oneof(hello, data, ack, reset)

export function join(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    joined.set(piece, at)
    at += piece.length
  }
  return joined
}

/** The bytes in pieces of the given sizes, used over and over. */
export function inPieces(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  return pieces
}

export const pieceSizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 })
