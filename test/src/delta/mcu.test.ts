import { applyPatch, PatchDecoder } from '@hypha/core/delta/decoder.ts'
import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { McuDecoder, mcuHeadBytes, readMcuSizes } from '@hypha/core/delta/mcu/decoder.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildModule, realPairs } from './modules.ts'

const mostState = 8192
const malformed = expect.objectContaining({ code: 'delta-malformed' })

const made = (old: Uint8Array, now: Uint8Array) => makePatch(old, now, brotli, { profile: 'mcu' }).bytes

/** Applies a patch as a microcontroller would: a state of 8 KiB, 64 bytes of the old file at a time, and with `cut` a restart after as many bytes. */
function small(old: Uint8Array, patch: Uint8Array, cut = Number.POSITIVE_INFINITY): Uint8Array {
  const sizes = readMcuSizes(patch.subarray(1))
  const out: number[] = []
  const read = (offset: number, length: number) => {
    expect(length).toBeLessThanOrEqual(64)
    return old.slice(offset, offset + length)
  }
  const emit = (byte: number) => out.push(byte)
  let decoder = new McuDecoder(sizes, read, old.length, emit)
  for (let at = 1 + mcuHeadBytes; at < patch.length; ) {
    at += decoder.write(patch.subarray(at, at + Math.min(cut, patch.length - at)))
    expect(decoder.state.byteLength).toBeLessThanOrEqual(mostState)
    if (cut < patch.length) decoder = new McuDecoder(sizes, read, old.length, emit, decoder.state.slice())
  }
  decoder.end()
  return Uint8Array.from(out)
}

function roundTrip(old: Uint8Array, now: Uint8Array): Uint8Array {
  const patch = made(old, now)
  expect(Buffer.compare(small(old, patch), now)).toBe(0)
  expect(Buffer.compare(applyPatch(old, patch, brotli), now)).toBe(0)
  return patch
}

describe('a patch for a microcontroller', () => {
  for (const { name, old, now } of realPairs) {
    it(`makes the new version of ${name} of the old one, and back, in 8 KiB of state`, () => {
      const general = brotli.compressAgainst(now, old).length
      expect(roundTrip(old, now).length).toBeLessThan(general * 1.2)
      roundTrip(now, old)
      expect(roundTrip(now, now).length).toBeLessThan(20)
    })

    it(`goes on with ${name} from a kept state after any byte`, () => {
      const patch = made(old, now)
      for (const cut of [1, 7, 190, 300]) expect(Buffer.compare(small(old, patch, cut), now)).toBe(0)
    })

    it(`makes a module whose bytes were changed anywhere of ${name}`, () => {
      const change = fc.record({ at: fc.nat(now.length - 1), byte: fc.nat(255) })
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
          const changed = now.slice()
          for (const { at, byte } of changes) changed[at] = byte
          roundTrip(old, changed)
          roundTrip(changed, old)
        }),
        { numRuns: 10 },
      )
    })
  }

  it('makes any module of any other', () => {
    const functions = fc.array(fc.record({ calls: fc.array(fc.nat(40), { maxLength: 6 }), constant: fc.nat(3000) }), {
      minLength: 1,
      maxLength: 40,
    })
    const data = fc.uint8Array({ maxLength: 200 })
    const module = fc.record({ functions, data, address: fc.nat(70_000), padded: fc.boolean() })
    fc.assert(
      fc.property(module, module, (old, now) => {
        roundTrip(buildModule(old), buildModule(now))
      }),
      { numRuns: 30 },
    )
  })

  it('makes any bytes of any others', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 200 }), (old, now) => {
        roundTrip(old, now)
      }),
      { numRuns: 60 },
    )
  })

  it('is applied piece by piece by a reader with memory enough, too', () => {
    const [{ old, now }] = realPairs
    const patch = made(old, now)
    const decoder = new PatchDecoder(old, brotli)
    const out = Array.from(patch, (_, at) => decoder.write(patch.subarray(at, at + 1)))
    expect(Buffer.concat([...out, decoder.end()]).equals(now)).toBe(true)
    expect(decoder.header).toEqual({ kind: 'module', tableBits: null, mcu: true })
  })

  it('is refused where it asks for more state than the profile grants, or than is there', () => {
    const [{ old, now }] = realPairs
    const patch = made(old, now)
    for (const head of [
      [12, 0, 0],
      [11, 0, 4],
      [7, 0, 0],
    ])
      expect(() => readMcuSizes(Uint8Array.from(head))).toThrow(malformed)
    const sizes = readMcuSizes(patch.subarray(1))
    const read = () => new Uint8Array()
    expect(() => new McuDecoder(sizes, read, old.length, () => undefined, new ArrayBuffer(1000))).toThrow(malformed)
  })

  it('is refused where it ends too early, and where it goes on', () => {
    const [{ old, now }] = realPairs
    const patch = made(old, now)
    expect(() => applyPatch(old, patch.subarray(0, patch.length >> 1), brotli)).toThrow(malformed)
    expect(() => applyPatch(old, patch.subarray(0, 2), brotli)).toThrow(malformed)
    const longer = Uint8Array.from([...patch, ...new Array<number>(300).fill(7)])
    expect(() => applyPatch(old, longer, brotli)).toThrow(malformed)
  })
})
