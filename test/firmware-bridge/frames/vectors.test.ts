import { crc32 } from '@hypha/core/bytes/crc32.ts'
import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { describe, expect, it } from 'vitest'
import { CobsDecoder, cobsEncode } from '../../../firmware-bridge/frames/cobs.ts'
import { openFrame } from '../../../firmware-bridge/frames/frame.ts'
import { decodeFrame, encodeFrame, type Frame, FrameReader } from '../../../firmware-bridge/frames/line.ts'
import vectors from '../../vectors/serial-frames.json' with { type: 'json' }

// The microcontrollers' side is held against the same file. [S 7]

const zero = Uint8Array.of(0)

/** Payloads stand in the file as hex. */
const frameOf = (listed: Record<string, unknown>): Frame =>
  ('payload' in listed ? { ...listed, payload: fromHex(listed.payload as string) } : listed) as unknown as Frame

describe('CRC-32', () => {
  it.each(vectors.crc32)('of $bytes is $crc', ({ bytes, crc }) => {
    expect(crc32(fromHex(bytes)).toString(16).padStart(8, '0')).toBe(crc)
  })
})

describe('stuffing', () => {
  it.each(vectors.cobs)('codes $name', ({ plain, coded }) => {
    expect(toHex(cobsEncode(fromHex(plain)))).toBe(coded)
  })

  it.each([...vectors.cobs, ...vectors.cobsDecodeOnly])('takes $name apart', ({ plain, coded }) => {
    const decoder = new CobsDecoder(plain.length / 2)
    expect([...decoder.push(fromHex(coded)), ...decoder.push(zero)]).toEqual([{ kind: 'plain', bytes: fromHex(plain) }])
  })
})

describe('a frame', () => {
  it.each(vectors.frames)('is coded: $name', ({ frame, line }) => {
    expect(toHex(encodeFrame(frameOf(frame)))).toBe(line)
  })

  it.each([...vectors.frames, ...vectors.framesDecodeOnly])('is read: $name', ({ frame, line }) => {
    const reader = new FrameReader(vectors.maxPayload)
    expect(reader.push(fromHex(line))).toEqual([frameOf(frame)])
  })

  it.each(vectors.frames)('is itself before stuffing: $name', ({ frame, unstuffed }) => {
    expect('kind' in openFrame(fromHex(unstuffed))).toBe(false)
    expect(decodeFrame(fromHex(unstuffed))).toEqual(frameOf(frame))
  })

  it.each(vectors.bad)('is dropped and counted as $why: $name', ({ line, why }) => {
    const reader = new FrameReader(vectors.maxPayload)
    const results = reader.push(fromHex(line))
    expect(results[0]).toEqual({ kind: 'bad', why })
    expect(Object.values(reader.dropped).reduce((sum, count) => sum + count)).toBe(results.length)
    expect(reader.dropped).toMatchObject({ [why]: results.length })
  })
})
