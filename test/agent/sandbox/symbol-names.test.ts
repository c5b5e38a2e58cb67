import { ByteWriter } from '@hypha/core/bytes/writer.ts'
import { applyByKernel, applyPatch } from '@hypha/core/delta/decoder.ts'
import { makeWasmPatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createPatchKernel } from '../../../agent/sandbox/worker/patch-kernel.ts'
import { buildModule } from '../../src/delta/modules.ts'

const kernel = createPatchKernel()

/** A module whose functions have these names. */
function named(names: readonly string[]): Uint8Array {
  const functions = names.map((_, i) => ({ calls: [], constant: i }))
  const plain = buildModule({ functions, data: Uint8Array.of(1, 2, 3), address: 1024, padded: false })
  const map = new ByteWriter().uleb(names.length)
  names.forEach((name, i) => {
    map.uleb(i).name(name)
  })
  const section = new ByteWriter().name('name').u8(1).uleb(map.length).put(map.finish())
  return new ByteWriter().put(plain).u8(0).uleb(section.length).put(section.finish()).finish()
}

function patchBytes(old: Uint8Array, now: Uint8Array): number {
  const patch = makeWasmPatch(old, now, brotli)!.bytes
  expect(Buffer.compare(applyPatch(old, patch, brotli), now)).toBe(0)
  const made = applyByKernel(kernel, old, patch)
  expect(made !== null && Buffer.compare(made, now) === 0).toBe(true)
  return patch.length
}

const hash = (seed: number): string => (BigInt(seed + 1) * 0x9e37_79b9_7f4a_7c15n).toString(16).slice(-16)
const decimal = (seed: number): string => BigInt(`0x${hash(seed)}`).toString()
const symbol = (stem: number, seed: number) => `_ZN4core${stem}3fmt17h${hash(seed)}E`

const piece = fc.oneof(
  fc.nat(12).map((seed) => `17h${hash(seed)}E`),
  fc.nat(12).map((seed) => `.llvm.${decimal(seed)}`),
  fc.constantFrom(
    '_ZN3std',
    '17h',
    '.llvm.',
    '.llvm.0',
    '.llvm.99999999999999999999',
    '17h17h0123456789abcdefE',
    'E',
    '7',
  ),
)
const names = fc.array(
  fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join('')),
  {
    minLength: 1,
    maxLength: 12,
  },
)

describe('names of symbols with numbers that a compiler makes up', () => {
  it('cost eight bytes for each number that changed, wherever it stands', () => {
    const of = (from: number) =>
      named(Array.from({ length: 40 }, (_, i) => `${symbol(i, from + (i % 8))}.llvm.${decimal(from + 77)}`))
    expect(patchBytes(of(0), of(100))).toBeLessThan(9 * 8 + 40)
  })

  it('come out as they were, whatever they look like', () => {
    fc.assert(
      fc.property(names, names, (old, now) => {
        patchBytes(named(old), named(now))
      }),
      { numRuns: 60 },
    )
  })

  it('may have more numbers than a record of a patch can tell', () => {
    const of = (from: number) => named([Array.from({ length: 300 }, (_, i) => symbol(i, from + i)).join('')])
    patchBytes(of(0), of(1000))
  })
})
