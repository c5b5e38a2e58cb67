import { applyPatch, PatchDecoder } from '@hypha/core/delta/decoder.ts'
import { makePatch, makeWasmPatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { describe, expect, it } from 'vitest'
import { buildModule, realPairs } from './modules.ts'

function inPieces(old: Uint8Array, patch: Uint8Array, size: number): Uint8Array[] {
  const decoder = new PatchDecoder(old, brotli)
  const out: Uint8Array[] = []
  for (let at = 0; at < patch.length; at += size) out.push(decoder.write(patch.subarray(at, at + size)))
  return [...out, decoder.end()]
}

/** A pair with nothing in common: its patch is long enough to come in pieces. */
const old = buildModule({
  functions: [{ calls: [], constant: 1 }],
  data: new Uint8Array(),
  address: 1024,
  padded: false,
})
let state = 1
const noise = Uint8Array.from({ length: 8000 }, () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state >>> 24
})
const now = buildModule({ functions: [{ calls: [0], constant: 2 }], data: noise, address: 1024, padded: false })

describe('a patch that comes in pieces', () => {
  it('makes the same bytes wherever it is cut', () => {
    for (const { old, now } of realPairs) {
      const patch = makePatch(old, now, brotli).bytes
      for (const size of [1, 2, 7, 100, patch.length])
        expect(Buffer.concat(inPieces(old, patch, size)).equals(now)).toBe(true)
    }
  })

  it('gives out what is known before the rest has come', () => {
    // Noise is shorter compressed as a whole, so this form is asked for.
    const patch = makeWasmPatch(old, now, brotli)!.bytes
    const pieces = inPieces(old, patch, 500)
    expect(pieces.filter((piece) => piece.length > 0).length).toBeGreaterThan(3)
    expect(Buffer.concat(pieces).equals(now)).toBe(true)
  })

  it('is refused where it ends too early, and where it goes on', () => {
    const [{ old, now }] = realPairs
    const patch = makePatch(old, now, brotli).bytes
    expect(() => applyPatch(old, patch.subarray(0, patch.length >> 1), brotli)).toThrow(
      expect.objectContaining({ code: 'delta-malformed' }),
    )
    const longer = Uint8Array.from([...patch, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(() => applyPatch(old, longer, brotli)).toThrow(expect.objectContaining({ code: 'delta-malformed' }))
    expect(() => new PatchDecoder(old, brotli).end()).toThrow(expect.objectContaining({ code: 'delta-malformed' }))
  })
})
