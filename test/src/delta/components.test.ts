import { ByteWriter } from '@hypha/core/bytes/writer.ts'
import { applyPatch } from '@hypha/core/delta/decoder.ts'
import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { describe, expect, it } from 'vitest'
import { realPairs } from './modules.ts'

/** A component as far as a delta looks at it: core modules in their sections, custom sections between them. */
function component(modules: readonly Uint8Array[], note: string): Uint8Array {
  const out = new ByteWriter().put(Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0))
  for (const [i, module] of modules.entries()) {
    const custom = new ByteWriter().name('note').name(`${note} ${i}`).finish()
    out.u8(0).uleb(custom.length).put(custom)
    out.u8(1).uleb(module.length).put(module)
  }
  return out.finish()
}

describe('a patch of a component', () => {
  const [sampler, frost] = realPairs

  it('takes its core modules as modules', () => {
    const old = component([sampler.old, frost.old], 'before')
    const now = component([sampler.now, frost.now], 'after')
    const patch = makePatch(old, now, brotli)
    expect(patch.kind).toBe('component')
    expect(Buffer.compare(applyPatch(old, patch.bytes, brotli), now)).toBe(0)
    const parts = realPairs.reduce((sum, { old, now }) => sum + makePatch(old, now, brotli).bytes.length, 0)
    expect(patch.bytes.length).toBeLessThan(parts + 40)
  })

  it('takes modules that came and went', () => {
    const one = component([sampler.old], 'one')
    const two = component([sampler.now, frost.now], 'two')
    for (const [old, now] of [
      [one, two],
      [two, one],
    ] as const) {
      expect(Buffer.compare(applyPatch(old, makePatch(old, now, brotli).bytes, brotli), now)).toBe(0)
    }
  })

  it('is not applied to what is no component', () => {
    const old = component([sampler.old], 'before')
    const patch = makePatch(old, component([sampler.now], 'after'), brotli).bytes
    expect(() => applyPatch(sampler.old, patch, brotli)).toThrow(expect.objectContaining({ code: 'delta-base-wrong' }))
  })
})
