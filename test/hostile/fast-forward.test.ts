import { describe, expect, it } from 'vitest'
import {
  dayMs,
  expectCode,
  keys,
  makeDirective,
  makeRelease,
  makeRoot,
  makeSection,
  rulesOf,
  signDirective,
  signer,
  signRelease,
  signRoot,
  startMs,
} from '../support/signed.ts'

// TUF specification, 1.5.2: an attacker raises versions so far that nothing honest can follow. The way out is new root metadata that
// replaces the key: with it the counters of its role are forgotten.

const maxVersion = 0xffff_ffff
const farAheadMs = startMs + 300 * 365 * dayMs
const newGateway = signer(7)
const recovery = () => signRoot(makeRoot({ version: 2, gateway: { threshold: 1, keys: [newGateway.publicKey] } }))

describe('Fast-forward', () => {
  it('of the version of directives ends when root metadata replaces the key of the gateway', () => {
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective({ version: maxVersion })), startMs)
    expectCode('directive-rollback', () => rules.updateDirective(signDirective(makeDirective()), startMs))
    rules.updateRoot([recovery()], startMs)
    expect(rules.directive).toBeNull()
    expect(rules.updateDirective(signDirective(makeDirective(), newGateway), startMs).version).toBe(1)
  })

  it('of the time that the gateway signs ends in the same way, although by that time the new root has expired too', () => {
    const rules = rulesOf()
    const ahead = makeDirective({ issuedMs: farAheadMs, expiresMs: farAheadMs + dayMs })
    rules.updateDirective(signDirective(ahead), startMs)
    expectCode('metadata-expired', () => rules.updateDirective(signDirective(makeDirective({ version: 2 })), startMs))
    rules.updateRoot([recovery()], startMs)
    expect(rules.timeMs(startMs)).toBe(startMs)
    expect(rules.updateDirective(signDirective(makeDirective(), newGateway), startMs).version).toBe(1)
  })

  it("of an app's floor ends when root metadata replaces the release key", () => {
    const rules = rulesOf()
    const ahead = makeRelease({ number: maxVersion, floor: maxVersion })
    rules.updateDirective(signDirective(makeDirective({ sections: [makeSection(ahead)] })), startMs)
    rules.acceptRelease('greenhouse', signRelease(ahead))

    rules.updateRoot(
      [signRoot(makeRoot({ version: 2, release: { threshold: 1, keys: [keys.release2.publicKey] } }))],
      startMs,
    )
    const honest = signRelease(makeRelease(), [keys.release2])
    const next = makeDirective({ version: 2, sections: [makeSection(makeRelease(), honest)] })
    rules.updateDirective(signDirective(next), startMs)
    expect(rules.acceptRelease('greenhouse', honest).number).toBe(1)
  })

  it('does not let go of a role whose key stays', () => {
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective({ version: 9 })), startMs)
    const release = { threshold: 1, keys: [keys.release2.publicKey] }
    rules.updateRoot([signRoot(makeRoot({ version: 2, release }))], startMs)
    expectCode('directive-rollback', () => rules.updateDirective(signDirective(makeDirective({ version: 8 })), startMs))
  })
})
