import { crc32 as zlibCrc32 } from 'node:zlib'
import { crc32 } from '@hypha/core/bytes/crc32.ts'
import { toUtf8 } from '@hypha/core/bytes/text.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'

test('the check value of the catalogue of CRCs', () => {
  expect(crc32(toUtf8('123456789'))).toBe(0xcbf4_3926)
})

test('it agrees with zlib, also when carried on', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      expect(crc32(b, crc32(a))).toBe(zlibCrc32(b, zlibCrc32(a)))
    }),
  )
})
