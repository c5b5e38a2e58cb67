import { applyPatch } from '@hypha/core/delta/decoder.ts'
import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildModule, type MadeModule, realPairs } from './modules.ts'

const functions = fc.array(fc.record({ calls: fc.array(fc.nat(40), { maxLength: 6 }), constant: fc.nat(3000) }), {
  minLength: 1,
  maxLength: 40,
})
const made: fc.Arbitrary<MadeModule> = fc.record({
  functions,
  data: fc.uint8Array({ maxLength: 400 }),
  address: fc.nat(70_000),
  padded: fc.boolean(),
})

function roundTrip(old: Uint8Array, now: Uint8Array) {
  const patch = makePatch(old, now, brotli)
  expect(Buffer.compare(applyPatch(old, patch.bytes, brotli), now)).toBe(0)
  return patch
}

describe('a patch made of two files', () => {
  for (const { name, old, now } of realPairs) {
    it(`makes the new version of ${name} of the old one, and back`, () => {
      const there = roundTrip(old, now)
      const back = roundTrip(now, old)
      expect([there.kind, back.kind]).toEqual(['module', 'module'])
      const general = brotli.compressAgainst(now, old).length
      expect(there.bytes.length).toBeLessThan(general)
      expect(back.bytes.length).toBeLessThan(there.bytes.length)
    })

    it(`says in a few bytes that ${name} stays as it is`, () => {
      expect(roundTrip(now, now).bytes.length).toBeLessThan(20)
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
        { numRuns: 15 },
      )
    })
  }

  it('makes any module of any other', () => {
    fc.assert(
      fc.property(made, made, (old, now) => {
        roundTrip(buildModule(old), buildModule(now))
      }),
      { numRuns: 40 },
    )
  })

  it('makes a module that gained and lost functions, moved its data, and changed constants', () => {
    const edit = fc.record({
      insert: functions,
      at: fc.nat(40),
      remove: fc.nat(5),
      move: fc.integer({ min: -64, max: 64 }),
      shuffle: fc.nat(300),
    })
    fc.assert(
      fc.property(made, edit, (module, { insert, at, remove, move, shuffle }) => {
        const now: MadeModule = {
          ...module,
          functions: module.functions.toSpliced(at, remove, ...insert),
          address: Math.max(0, module.address + move),
          data: Uint8Array.from([...module.data.slice(shuffle), ...module.data.slice(0, shuffle)]),
        }
        roundTrip(buildModule(module), buildModule(now))
      }),
      { numRuns: 40 },
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

  it('is never larger than the new file compressed as a whole, and a byte for the kind', () => {
    const { old } = realPairs[0]
    for (const { now } of realPairs) {
      const whole = brotli.compressAgainst(now, new Uint8Array()).length
      for (const base of [old, now.slice(0, 100), new Uint8Array()]) {
        expect(makePatch(base, now, brotli).bytes.length).toBeLessThanOrEqual(whole + 1)
      }
    }
  })

  it('fits a smaller table where the reader has less memory', () => {
    const { old, now } = realPairs[1]
    for (const tableBits of [10, 12, 16]) {
      const { bytes, kind } = makePatch(old, now, brotli, { tableBits })
      expect(kind).toBe('module')
      expect(Buffer.compare(applyPatch(old, bytes, brotli), now)).toBe(0)
    }
  })
})
