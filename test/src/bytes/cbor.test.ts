import { decodeCbor, encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

// RFC 8949, appendix A, those of the types that Hypha uses.
const examples: readonly [hex: string, item: unknown][] = [
  ['00', 0],
  ['17', 23],
  ['1818', 24],
  ['1903e8', 1000],
  ['1a000f4240', 1000000],
  ['20', -1],
  ['3903e7', -1000],
  ['fb3ff199999999999a', 1.1],
  ['f4', false],
  ['f6', null],
  ['4401020304', Uint8Array.of(1, 2, 3, 4)],
  ['62c3bc', 'ü'],
  ['8301820203820405', [1, [2, 3], [4, 5]]],
  [
    'a201020304',
    new Map([
      [1, 2],
      [3, 4],
    ]),
  ],
]

describe('CBOR', () => {
  it.each(examples)('%s is the example of RFC 8949', (hex, item) => {
    expect(toHex(encodeCbor(item))).toBe(hex)
    expect(decodeCbor(fromHex(hex), 'test')).toEqual(item)
  })

  it('writes an integer beyond 32 bits as an integer', () => {
    expect(toHex(encodeCbor(1000000000000n))).toBe('1b000000e8d4a51000')
    expect(decodeCbor(fromHex('1b000000e8d4a51000'), 'test')).toBe(1000000000000)
  })

  it.each([
    ['an array that announces four billion items', '9affffffff'],
    ['an array inside an array inside …, each announcing many items', `${'990fff'.repeat(12)}00`],
    ['a map of 2^63 entries', 'bb7fffffffffffffff'],
    ['a byte string of four gigabytes', '5affffffff'],
    ['an indefinite array', '9f00ff'],
    ['an indefinite byte string', '5f4100ff'],
    ['bytes after the item', '0000'],
    ['no bytes', ''],
    ['nesting of 20 arrays', `${'81'.repeat(20)}00`],
    ['a tag', 'c11a514b67b0'],
    ['a reserved length', '1c'],
    ['a key that is there twice', 'a201020103'],
    ['a key that is there twice, once in a longer form', 'a20102180103'],
    ['a key of text that is there twice', 'a2616101616102'],
    ['a key that is a list', 'a1810102'],
    ['text that is not UTF-8', '62c328'],
    ['a key that is not UTF-8', 'a162c32801'],
  ])('refuses %s', (_, hex) => {
    expect(() => decodeCbor(fromHex(hex), 'test')).toThrow(HyphaError)
  })

  it('answers any bytes with an item or a HyphaError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeCbor(bytes, 'test')
        } catch (error) {
          expect(error).toBeInstanceOf(HyphaError)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
