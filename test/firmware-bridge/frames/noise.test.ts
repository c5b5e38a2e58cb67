import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeFrame, type Frame, FrameReader } from '../../../firmware-bridge/frames/line.ts'
import { frames, inPieces, join, maxPayload, pieceSizes, plainBytes } from './arbitraries.ts'

const good = (bytes: Uint8Array, sizes: readonly number[] = [bytes.length]): Frame[] => {
  const reader = new FrameReader(maxPayload)
  return inPieces(bytes, sizes)
    .flatMap((piece) => reader.push(piece))
    .filter((frame) => frame.kind !== 'bad')
}

const flipped = (bytes: Uint8Array, bit: number): Uint8Array =>
  bytes.map((byte, index) => (index === bit >>> 3 ? byte ^ (1 << (bit & 7)) : byte))

describe('noise on the line', () => {
  it('costs no frame that comes after it', () => {
    fc.assert(
      fc.property(
        plainBytes(2_000),
        fc.array(frames, { minLength: 1, maxLength: 4 }),
        pieceSizes,
        (noise, sent, sizes) => {
          expect(good(join([noise, ...sent.map(encodeFrame)]), sizes)).toEqual(sent)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('costs one frame where listening begins in its midst', () => {
    fc.assert(
      fc.property(frames, frames, fc.nat(), (first, second, at) => {
        const bytes = encodeFrame(first)
        expect(good(join([bytes.subarray(2 + (at % (bytes.length - 2))), encodeFrame(second)]))).toEqual([second])
      }),
      { numRuns: 500 },
    )
  })

  it('of a single bit, wherever it is flipped, costs the frame that it hit and changes none', () => {
    fc.assert(
      fc.property(frames, frames, (first, second) => {
        const bytes = join([encodeFrame(first), encodeFrame(second)])
        const last: Frame = { kind: 'ack', channel: 'control', next: 1, held: 0 }
        for (let bit = 0; bit < bytes.length * 8; bit++) {
          const received = good(join([flipped(bytes, bit), encodeFrame(last)]))
          // The zero bytes between the frames belong to one of them each.
          expect([
            [first, last],
            [second, last],
          ]).toContainEqual(received)
        }
      }),
      { numRuns: 15 },
    )
  })

  it('is detected where bytes are lost', () => {
    fc.assert(
      fc.property(frames, frames, fc.nat(), fc.integer({ min: 1, max: 40 }), (first, second, from, count) => {
        const bytes = encodeFrame(first)
        const at = 1 + (from % (bytes.length - 2))
        const end = Math.min(at + count, bytes.length - 1)
        expect(good(join([bytes.subarray(0, at), bytes.subarray(end), encodeFrame(second)]))).toEqual([second])
      }),
      { numRuns: 500 },
    )
  })
})
