import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CobsDecoder, cobsEncode, maxCobsBytes } from '../../../firmware-bridge/frames/cobs.ts'
import { encodeFrame, FrameReader } from '../../../firmware-bridge/frames/line.ts'
import { frames, inPieces, join, maxPayload, pieceSizes, plainBytes } from './arbitraries.ts'

test('coded bytes hold no zero, are as long as promised at most, and decode to what was coded', () => {
  fc.assert(
    fc.property(plainBytes(1_000), (plain) => {
      const coded = cobsEncode(plain)
      expect(coded.includes(0)).toBe(false)
      expect(coded.length).toBeLessThanOrEqual(maxCobsBytes(plain.length))
      const decoder = new CobsDecoder(plain.length)
      expect(decoder.push(join([coded, Uint8Array.of(0)]))).toEqual([{ kind: 'plain', bytes: plain }])
    }),
    { numRuns: 500 },
  )
})

test('frames come out as they went in, however the line cuts their bytes', () => {
  fc.assert(
    fc.property(fc.array(frames, { maxLength: 8 }), pieceSizes, (sent, sizes) => {
      const reader = new FrameReader(maxPayload)
      const received = inPieces(join(sent.map(encodeFrame)), sizes).flatMap((piece) => reader.push(piece))
      expect(received).toEqual(sent)
      expect(Object.values(reader.dropped).every((count) => count === 0)).toBe(true)
    }),
    { numRuns: 500 },
  )
})

test('neighbours may share one zero byte', () => {
  fc.assert(
    fc.property(fc.array(frames, { minLength: 1, maxLength: 8 }), (sent) => {
      const reader = new FrameReader(maxPayload)
      expect(reader.push(join(sent.map((frame) => encodeFrame(frame).subarray(1))))).toEqual(sent)
    }),
  )
})
