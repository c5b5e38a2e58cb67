import { toHex } from '@hypha/core/bytes/text.ts'
import { verifyNextRoot } from '@hypha/core/trust/root-chain.ts'
import { describe, expect, it } from 'vitest'
import { addKey, replaceKey, revokeKey } from '../../../gateway/keys/root-changes.ts'
import {
  changesOf,
  decodeDraft,
  encodeDraft,
  isMet,
  makeDraft,
  signDraft,
  standingsOf,
} from '../../../gateway/keys/root-draft.ts'
import { crypto, expectCode, keys, makeRoot, signer, signRoot, startMs, thief } from '../../support/signed.ts'

const third = signer(8)
const id = (key: { kid: Uint8Array }) => toHex(key.kid)
const two = { threshold: 2, keys: [keys.root.publicKey, keys.root2.publicKey, third.publicKey] }
const before = makeRoot({ version: 3, root: two })
const envelope = signRoot(before, [keys.root, keys.root2])
const later = { expiresMs: startMs + 1_000 }

describe('A draft of root metadata', () => {
  it('goes from hand to hand as bytes until enough have signed, in any order', () => {
    const drafted = decodeDraft(encodeDraft(makeDraft(envelope, later, [third])))
    expect(standingsOf(drafted)).toEqual([
      { version: 4, threshold: 2, signed: [id(third)], missing: [id(keys.root), id(keys.root2)] },
    ])
    expect(isMet(standingsOf(drafted))).toBe(false)
    const signed = decodeDraft(encodeDraft(signDraft(drafted, [keys.root])))
    expect(isMet(standingsOf(signed))).toBe(true)
    expect(verifyNextRoot(before, signed.envelope, crypto).root).toEqual({ ...before, ...later, version: 4 })
  })

  it('that replaces a root key has two thresholds to meet: that of before, and its own', () => {
    const draft = makeDraft(envelope, replaceKey(before, 'root', third.publicKey, signer(9).publicKey), [
      keys.root,
      signer(9),
    ])
    expect(standingsOf(draft).map(({ version, signed }) => [version, signed.length])).toEqual([
      [3, 1],
      [4, 2],
    ])
    const signed = signDraft(draft, [keys.root2])
    expect(isMet(standingsOf(signed))).toBe(true)
    expect(verifyNextRoot(before, signed.envelope, crypto).root.version).toBe(4)
  })

  it('counts no signature that was copied from another', () => {
    const draft = makeDraft(envelope, later, [keys.root])
    const other = makeDraft(envelope, { expiresMs: startMs + 2_000 }, [keys.root2])
    const mixed = { ...draft, envelope: signDraft(draft, [keys.root2]).envelope.slice() }
    const copied = toHex(other.envelope).slice(-128)
    const forged = Uint8Array.from(Buffer.from(toHex(mixed.envelope).slice(0, -128) + copied, 'hex'))
    expect(standingsOf({ ...mixed, envelope: forged })[0]!.signed).toEqual([id(keys.root)])
  })

  it('takes no signature of who is no root key, and none at all is none', () => {
    expectCode('argument-invalid', () => makeDraft(envelope, later, [thief]))
    expectCode('argument-invalid', () => makeDraft(envelope, later, []))
    expectCode('argument-invalid', () => signDraft(makeDraft(envelope, later, [third]), [thief]))
  })

  it('is refused where its file holds something else', () => {
    expectCode('root-version', () => {
      decodeDraft(encodeDraft({ ...makeDraft(envelope, later, [third]), envelope }))
    })
    expectCode('bytes-malformed', () => decodeDraft(Uint8Array.of(1, 2, 3)))
  })
})

describe('A change of a role', () => {
  it('is told in a sentence', () => {
    const told = (changes: object) => changesOf({ before, next: { ...before, ...changes, version: 4 } })
    const { release } = keys
    const added = addKey(before, 'release', keys.release2.publicKey, 2)
    expect(told(added)).toEqual([
      `release: key ${id(keys.release2)} is added`,
      'release: 2 of 2 keys must sign, it was 1 of 1',
    ])
    expect(told(replaceKey(before, 'release', release.publicKey, keys.release2.publicKey))).toEqual([
      `release: key ${id(keys.release2)} replaces ${id(release)}`,
    ])
    expect(told(revokeKey(before, 'root', third.publicKey))).toEqual([`root: key ${id(third)} is revoked`])
    expect(told(later)).toEqual(['expires 2026-01-01 instead of 2027-01-01'])
  })

  it('is refused where it makes no sense', () => {
    const unknown = thief.publicKey
    expectCode('argument-invalid', () => replaceKey(before, 'release', unknown, keys.release2.publicKey))
    expectCode('argument-invalid', () => replaceKey(before, 'root', third.publicKey, keys.root.publicKey))
    expectCode('argument-invalid', () => addKey(before, 'gateway', keys.gateway.publicKey))
    expectCode('argument-invalid', () => revokeKey(before, 'release', unknown))
    expectCode('argument-invalid', () => revokeKey(before, 'gateway', keys.gateway.publicKey))
    expectCode('argument-invalid', () =>
      revokeKey({ ...before, root: { ...two, threshold: 3 } }, 'root', third.publicKey),
    )
    expectCode('root-unusable', () => makeDraft(envelope, addKey(before, 'release', keys.gateway.publicKey), [third]))
    expectCode('root-unusable', () => makeDraft(envelope, addKey(before, 'gateway', thief.publicKey, 2), [third]))
  })
})
