import { mergeSignatures, openEnvelope, type Signer, signaturesBy, signMany, signOne } from '@hypha/core/trust/cose.ts'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { crypto, expectCode, signer, thief } from '../../support/signed.ts'

const maxBytes = 10_000
const payload = Uint8Array.of(1, 2, 3)
const hands = [11, 12, 13, 14].map(signer)
const role = { threshold: 2, keys: hands.slice(0, 3).map(({ publicKey }) => publicKey) }
const options = { kind: 'release', role, maxBytes, crypto } as const
const signed = (signers: readonly Signer[], bytes = payload) => signMany(bytes, 'release', signers)
const by = (envelope: Uint8Array) =>
  new Set(signaturesBy(openEnvelope(envelope, 'release', maxBytes), role, crypto).valid.map((kid) => `${kid}`))
const some = fc.subarray(hands, { minLength: 1 })

it('Merged signatures are those of both sides by keys of the role, and the payload is the same', () => {
  fc.assert(
    fc.property(some, some, (first, second) => {
      const merged = mergeSignatures(signed(first), signed(second), options)
      expect(by(merged)).toEqual(new Set([...by(signed(first)), ...by(signed(second))]))
      expect(openEnvelope(merged, 'release', maxBytes).unverifiedPayload).toEqual(payload)
      // Once more changes nothing.
      expect(mergeSignatures(merged, signed(second), options)).toBe(merged)
    }),
  )
})

it('What is no signature of the role is not taken over', () => {
  const envelope = signed([hands[0]!])
  const forged = { ...hands[1]!, sign: () => new Uint8Array(64) }
  for (const other of [signed([thief]), signed([hands[3]!]), signed([forged])]) {
    expect(mergeSignatures(envelope, other, options)).toBe(envelope)
  }
})

it('A good signature takes the place of a forged one under the same key id', () => {
  const forged = signed([hands[0]!, { ...hands[1]!, sign: () => new Uint8Array(64) }])
  expect(by(mergeSignatures(forged, signed([hands[1]!]), options)).size).toBe(2)
})

it('Envelopes of other words, or signed by one alone, are not merged', () => {
  const envelope = signed([hands[0]!])
  expectCode('envelope-malformed', () => mergeSignatures(envelope, signed([hands[1]!], Uint8Array.of(9)), options))
  expectCode('envelope-malformed', () => mergeSignatures(envelope, signOne(payload, 'release', hands[1]!), options))
  expectCode('envelope-kind', () => mergeSignatures(envelope, signMany(payload, 'root', [hands[1]!]), options))
})
