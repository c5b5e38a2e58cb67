import { ByteReader } from '@hypha/core/bytes/reader.ts'
import { ByteWriter } from '@hypha/core/bytes/writer.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const read = (...bytes: number[]) => new ByteReader(Uint8Array.from(bytes), 'test')

describe('a reader', () => {
  it('gives back what a writer wrote', () => {
    fc.assert(
      fc.property(
        fc.nat(255),
        fc.nat(65_535),
        fc.nat(0xffff_ffff),
        fc.double(),
        fc.string({ unit: 'grapheme' }),
        (a, b, c, d, text) => {
          const bytes = new ByteWriter(1).u8(a).u16(b).u32(c).f64(d).uleb(c).name(text).finish()
          const reader = new ByteReader(bytes, 'test')
          expect([reader.u8(), reader.u16(), reader.u32(), reader.f64(), reader.uleb()]).toEqual([a, b, c, d, c])
          expect(reader.text(reader.uleb())).toBe(text)
          expect(reader.done).toBe(true)
        },
      ),
    )
  })

  it('reads from the middle of a larger buffer', () => {
    const reader = new ByteReader(Uint8Array.from([9, 9, 1, 0, 9]).subarray(2, 4), 'test')
    expect(reader.u16()).toBe(1)
    expect(reader.done).toBe(true)
  })

  it.each([
    ['u8', () => read().u8()],
    ['u16', () => read(1).u16()],
    ['u32', () => read(1, 2, 3).u32()],
    ['f64', () => read(1, 2, 3, 4, 5, 6, 7).f64()],
    ['take', () => read(1).take(0xffff_ffff)],
    ['skip', () => read(1).skip(2)],
    ['sub', () => read(1).sub(2)],
    ['uleb', () => read(0x80).uleb()],
    ['sleb', () => read(0x80).sleb(32)],
  ])('%s past the end says how much is missing', (_, run) => {
    expect(run).toThrow(
      expect.objectContaining({ code: 'bytes-truncated', where: expect.stringMatching(/^byte \d+$/) }),
    )
  })

  it('never reads past the end of a part', () => {
    const part = read(1, 2, 3).sub(1)
    part.u8()
    expect(() => part.u8()).toThrow(expect.objectContaining({ code: 'bytes-truncated' }))
  })

  it.each([
    [[0xff, 0xff, 0xff, 0xff, 0x1f], 'over 32 bits'],
    [[0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 'over 32 bits'],
  ])('refuses %j as a LEB128 number: %s', (bytes) => {
    expect(() => read(...bytes).uleb()).toThrow(expect.objectContaining({ code: 'bytes-malformed' }))
  })

  it.each([
    [[0x7f], -1n],
    [[0x3f], 63n],
    [[0x40], -64n],
    [[0xff, 0xff, 0xff, 0xff, 0x07], 2147483647n],
    [[0x80, 0x80, 0x80, 0x80, 0x78], -2147483648n],
  ] as const)('reads %j as a signed LEB128 number', (bytes, value) => {
    expect(read(...bytes).sleb(32)).toBe(value)
  })

  it('refuses a signed number beyond its bits', () => {
    expect(() => read(0x80, 0x80, 0x80, 0x80, 0x08).sleb(32)).toThrow(
      expect.objectContaining({ code: 'bytes-malformed' }),
    )
    expect(() => read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00).sleb(64)).toThrow()
  })

  it('refuses text that is not UTF-8', () => {
    expect(() => read(0xc3, 0x28).text(2)).toThrow(
      expect.objectContaining({ code: 'bytes-malformed', where: 'byte 0' }),
    )
  })
})
