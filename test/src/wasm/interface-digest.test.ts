import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { functionDigest } from '@hypha/core/wasm/interface-digest.ts'
import type { FuncType, WitType } from '@hypha/core/wasm/types.ts'
import { serves, versionTrack } from '@hypha/core/wasm/versions.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const named = (type: string, param: string): FuncType => ({
  name: 'add',
  params: [{ name: param, type: { kind: 'enum', name: type, cases: ['a', 'b'] } }],
  result: 'u32',
})
const of = (name: string, func: FuncType): string => Buffer.from(functionDigest(name, func, nodeCrypto)).toString('hex')

describe('the digest of a function that crosses a link', () => {
  it('is the same where what crosses is: whatever types and parameters are called, and for each version that fits', () => {
    const one = of('a:b/c@1.0.0', named('mode', 'x'))
    expect(of('a:b/c@1.4.2', named('other', 'y'))).toBe(one)
    expect(of('a:b/c@2.0.0', named('mode', 'x'))).not.toBe(one)
    expect(of('a:b/d@1.0.0', named('mode', 'x'))).not.toBe(one)
    const wider: WitType = { kind: 'enum', cases: ['a', 'b', 'c'] }
    expect(of('a:b/c@1.0.0', { ...named('mode', 'x'), params: [{ name: 'x', type: wider }] })).not.toBe(one)
    expect(of('a:b/c@1.0.0', { ...named('mode', 'x'), result: 'u16' })).not.toBe(one)
    expect(one).toHaveLength(64)
  })

  it('has a track in which two versions are together exactly where one serves the other', () => {
    const number = fc.integer({ min: 0, max: 3 })
    const version = fc.tuple(number, number, number).map((parts) => `a:b/c@${parts.join('.')}`)
    fc.assert(
      fc.property(version, version, (a, b) => {
        expect(versionTrack(a) === versionTrack(b)).toBe(serves(a, b) || serves(b, a))
      }),
    )
    expect(versionTrack('a:b/c@1.0.0-rc.1')).not.toBe(versionTrack('a:b/c@1.0.0'))
    expect(versionTrack('plain')).toBe('plain')
  })
})
