import { trustFirstRoot } from '@hypha/core/trust/rules.ts'
import { describe, it } from 'vitest'
import {
  artifactBytes,
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
  signRelease,
  signRoot,
  startMs,
  thief,
} from '../support/signed.ts'

// TUF specification, 1.5.2: an attacker installs anything it wants on a node.

describe('Arbitrary installation', () => {
  it('fails with a directive that someone else than the gateway signed', () => {
    expectCode('threshold-not-met', () => rulesOf().updateDirective(signDirective(makeDirective(), thief), startMs))
  })

  it('fails with a release that someone else than the release role signed, although the gateway asks for it', () => {
    const envelope = signRelease(makeRelease(), [thief])
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective({ sections: [makeSection(makeRelease(), envelope)] })), startMs)
    expectCode('threshold-not-met', () => rules.acceptRelease('greenhouse', envelope))
  })

  it('fails with other bytes under the name of a signed content', () => {
    const rules = rulesOf()
    rules.updateDirective(signDirective(makeDirective()), startMs)
    rules.acceptRelease('greenhouse', signRelease(makeRelease()))
    const forged = Uint8Array.from(artifactBytes)
    forged[7]! ^= 1
    expectCode('digest-mismatch', () => rules.acceptContent('greenhouse', crypto.sha256(artifactBytes), forged))
    expectCode('content-unlisted', () => rules.acceptContent('greenhouse', crypto.sha256(forged), forged))
    expectCode('rules-order', () => rules.complete('greenhouse'))
  })

  it('fails with a directive that was changed after it was signed', () => {
    const envelope = signDirective(makeDirective())
    // The node's name stands in the payload; another of the same length keeps the form whole.
    const at = Buffer.from(envelope).indexOf('pi-7')
    envelope[at + 3] = 0x38
    expectCode('signature-invalid', () => rulesOf().updateDirective(envelope, startMs))
  })

  it('fails with root metadata that names new keys and is signed by them alone', () => {
    const role = { threshold: 1, keys: [thief.publicKey] }
    const takeover = makeRoot({ version: 2, root: role, release: role })
    expectCode('threshold-not-met', () => rulesOf().updateRoot([signRoot(takeover, [thief])], startMs))
  })

  it('fails at joining with root metadata that the join URL does not pin', () => {
    const pinned = { digest: crypto.sha256(signRoot(makeRoot())), fleet: 'garden', node: 'pi-7' }
    const role = { threshold: 1, keys: [thief.publicKey] }
    const other = signRoot(makeRoot({ root: role, release: role }), [thief])
    expectCode('join-root-mismatch', () => trustFirstRoot(other, pinned, crypto))
  })

  it('fails when one key signs twice for a threshold of two', () => {
    const root = { threshold: 2, keys: [keys.root.publicKey, keys.root2.publicKey] }
    const rules = rulesOf(joined(makeRoot({ root }), [keys.root, keys.root2]))
    const next = signRoot(makeRoot({ root, version: 2 }), [keys.root, thief])
    // The thief's signature is presented under the name of a key that has signed already.
    const forged = Buffer.from(next)
    forged.set(keys.root.kid, forged.indexOf(thief.kid))
    expectCode('envelope-malformed', () => rules.updateRoot([new Uint8Array(forged)], startMs))
    expectCode('threshold-not-met', () => rules.updateRoot([next], startMs))
  })
})
