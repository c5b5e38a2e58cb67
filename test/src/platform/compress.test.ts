import { brotli } from '@hypha/core/platform/compress.ts'
import { expect, test } from 'vitest'

test('what was compressed comes back', () => {
  const bytes = new Uint8Array(10_000).fill(7)
  const packed = brotli.compress(bytes)
  expect(packed.length).toBeLessThan(100)
  expect(brotli.decompress(packed, 10_000)).toEqual(bytes)
  expect(brotli.decompress(brotli.compress(new Uint8Array(0)), 0)).toEqual(new Uint8Array(0))
})

test('no more is decompressed than was declared', () => {
  const packed = brotli.compress(new Uint8Array(50_000_000))
  expect(packed.length).toBeLessThan(1_000)
  for (const cap of [0, 1, 49_999_999]) {
    expect(() => brotli.decompress(packed, cap)).toThrow(expect.objectContaining({ code: 'bytes-too-long' }))
  }
})

test('bytes that are not brotli are refused', () => {
  for (const bytes of [new Uint8Array(0), Uint8Array.of(0xff, 1, 2, 3)]) {
    expect(() => brotli.decompress(bytes, 100)).toThrow(expect.objectContaining({ code: 'bytes-malformed' }))
  }
})
