import { applyByKernel, applyPatch } from '@hypha/core/delta/decoder.ts'
import { makePatch, makeWasmPatch } from '@hypha/core/delta/make-patch.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createPatchKernel } from '../../../agent/sandbox/worker/patch-kernel.ts'
import { buildModule, type MadeModule, realPairs } from '../../src/delta/modules.ts'
import { checkedInKernel, compileKernel } from '../../support/patch-kernel.ts'

const kernel = createPatchKernel()

/** What the decoder makes of a patch, or the code of its error. */
function decoded(base: Uint8Array, patch: Uint8Array): Uint8Array | string {
  try {
    return applyPatch(base, patch, brotli)
  } catch (error) {
    if (error instanceof HyphaError) return error.code
    throw error
  }
}

/** What the kernel makes, the decoder makes; what the decoder refuses, the kernel leaves to it. */
function agree(base: Uint8Array, patch: Uint8Array): boolean {
  const made = applyByKernel(kernel, base, patch)
  if (made === null) return false
  const expected = decoded(base, patch)
  expect(typeof expected).not.toBe('string')
  expect(Buffer.compare(made, expected as Uint8Array)).toBe(0)
  return true
}

const functions = fc.array(fc.record({ calls: fc.array(fc.nat(40), { maxLength: 6 }), constant: fc.nat(3000) }), {
  minLength: 1,
  maxLength: 30,
})
const made: fc.Arbitrary<MadeModule> = fc.record({
  functions,
  data: fc.uint8Array({ maxLength: 300 }),
  address: fc.nat(70_000),
  padded: fc.boolean(),
})

describe('the kernel that applies patches', () => {
  it('is what its sources compile to', async () => {
    expect(await compileKernel()).toBe(checkedInKernel())
  })

  for (const { name, old, now } of realPairs) {
    it(`makes of ${name} what the decoder makes, there and back`, () => {
      for (const [from, to] of [
        [old, now],
        [now, old],
      ] as const)
        expect(agree(from, makePatch(from, to, brotli).bytes)).toBe(true)
    })

    it(`fits a smaller table for ${name}, too`, () => {
      for (const tableBits of [10, 13, 16])
        expect(agree(old, makePatch(old, now, brotli, { tableBits }).bytes)).toBe(true)
    })

    it(`never makes another module than the decoder of a damaged patch of ${name}, or of another old one`, () => {
      const { bytes } = makePatch(old, now, brotli)
      const damage = fc.record({
        at: fc.nat(bytes.length - 2),
        bit: fc.nat(7),
        length: fc.integer({ min: 1, max: bytes.length }),
      })
      fc.assert(
        fc.property(damage, ({ at, bit, length }) => {
          const damaged = bytes.slice()
          damaged[at + 1]! ^= 1 << bit
          agree(old, damaged)
          agree(old, bytes.subarray(0, length))
          const other = old.slice()
          other[Math.floor((at * old.length) / bytes.length)]! ^= 1 << bit
          agree(other, bytes)
          agree(other, damaged)
        }),
        { numRuns: 60 },
      )
    })
  }

  it('makes any module of any other as the decoder does', () => {
    fc.assert(
      fc.property(made, made, (old, now) => {
        const [base, content] = [buildModule(old), buildModule(now)]
        const patch = makeWasmPatch(base, content, brotli)
        if (patch !== null) expect(agree(base, patch.bytes)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('leaves bytes that are no patch to the decoder, whatever the old module', () => {
    const [{ old }] = realPairs
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(8), (bytes, profile) => {
        agree(old, Uint8Array.of(2 | (profile << 3), ...bytes))
      }),
      { numRuns: 80 },
    )
  })

  it('never makes more than it is told', () => {
    const [{ old, now }] = realPairs
    const { bytes } = makePatch(old, now, brotli)
    expect(applyByKernel(kernel, old, bytes, now.length - 1)).toBeNull()
    expect(applyByKernel(kernel, old, bytes, now.length)?.length).toBe(now.length)
  })
})
