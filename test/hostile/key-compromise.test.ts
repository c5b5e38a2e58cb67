import { describe, expect, it } from 'vitest'
import {
  crypto,
  expectCode,
  joined,
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

// TUF specification, 1.5.2, "vulnerability to key compromises": what one stolen key can do, and how it ends.

describe('A stolen gateway key', () => {
  const spyware = makeRelease({ number: 9 })

  it('can not introduce code', () => {
    const rules = rulesOf()
    const envelope = signRelease(spyware, [keys.gateway])
    rules.updateDirective(signDirective(makeDirective({ sections: [makeSection(spyware, envelope)] })), startMs)
    expectCode('threshold-not-met', () => rules.acceptRelease('greenhouse', envelope))
  })

  it('can not change whom to believe', () => {
    const takeover = makeRoot({ version: 2, release: { threshold: 1, keys: [signer(66).publicKey] } })
    expectCode('threshold-not-met', () => rulesOf().updateRoot([signRoot(takeover, [keys.gateway])], startMs))
  })

  it('is worth nothing once root metadata has replaced it', () => {
    const rules = rulesOf()
    rules.updateRoot(
      [signRoot(makeRoot({ version: 2, gateway: { threshold: 1, keys: [signer(7).publicKey] } }))],
      startMs,
    )
    expectCode('threshold-not-met', () => rules.updateDirective(signDirective(makeDirective()), startMs))
  })
})

describe('A stolen release key', () => {
  it('can not target a node', () => {
    const directive = signDirective(makeDirective(), keys.release)
    expectCode('threshold-not-met', () => rulesOf().updateDirective(directive, startMs))
  })

  it('can not get a release run that no directive asks for', () => {
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective()), startMs)
    const other = signRelease(makeRelease({ number: 2 }))
    expectCode('digest-mismatch', () => rules.acceptRelease('greenhouse', other))
  })

  it('is not enough where the release role needs two', () => {
    const release = { threshold: 2, keys: [keys.release.publicKey, keys.release2.publicKey] }
    const rules = rulesOf(joined(makeRoot({ release })))
    const envelope = signRelease(makeRelease())
    rules.updateDirective(signDirective(makeDirective({ sections: [makeSection(makeRelease(), envelope)] })), startMs)
    expectCode('threshold-not-met', () => rules.acceptRelease('greenhouse', envelope))
  })
})

describe('A stolen root key', () => {
  it('is not enough where the root role needs two, and is replaced by the others', () => {
    const third = signer(8)
    const root = { threshold: 2, keys: [keys.root.publicKey, keys.root2.publicKey, third.publicKey] }
    const rules = rulesOf(joined(makeRoot({ root }), [keys.root, keys.root2]))
    const takeover = makeRoot({ version: 2, root: { threshold: 1, keys: [keys.root.publicKey] } })
    expectCode('threshold-not-met', () => rules.updateRoot([signRoot(takeover, [keys.root])], startMs))
    const without = makeRoot({ version: 2, root: { threshold: 2, keys: [keys.root2.publicKey, third.publicKey] } })
    rules.updateRoot([signRoot(without, [keys.root2, third])], startMs)
    expect(rules.root.root.keys).toHaveLength(2)
  })
})

describe('One key in two roles', () => {
  it('is refused in root metadata, since with it one theft would give both signatures', () => {
    const shared = { threshold: 1, keys: [keys.gateway.publicKey] }
    expectCode('root-unusable', () =>
      rulesOf().updateRoot([signRoot(makeRoot({ version: 2, release: shared }))], startMs),
    )
    expectCode('root-unusable', () => joined(makeRoot({ release: shared })))
  })

  it('is told by the bytes of the key, not by its name', () => {
    expect(keys.root.kid).toEqual(crypto.sha256(keys.root.publicKey).slice(0, 8))
  })
})
