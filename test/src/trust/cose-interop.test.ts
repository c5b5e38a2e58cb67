import { createPrivateKey, createPublicKey } from 'node:crypto'
import { Headers, ProtectedHeaders, Sign, Sign1 } from '@auth0/cose'
import { ed25519Pkcs8, ed25519Spki } from '@hypha/core/bytes/ed25519.ts'
import { toHex, toUtf8 } from '@hypha/core/bytes/text.ts'
import {
  type EnvelopeKind,
  openEnvelope,
  type Signer,
  signMany,
  signOne,
  verifyThreshold,
} from '@hypha/core/trust/cose.ts'
import { directive } from '@hypha/core/trust/directive.ts'
import { Encoder, Tag } from 'cbor-x'
import nacl from 'tweetnacl'
import { describe, expect, it } from 'vitest'
import { crypto, expectCode, keys, makeDirective, makeRelease, signRelease, thief } from '../../support/signed.ts'

// The other implementation is @auth0/cose. It takes external data when it verifies a COSE_Sign1, and nowhere else; so the structure that is signed is taken from it for
// the rest, and once more built by hand with cbor-x and tweetnacl.

const maxBytes = 10_000
const payload = directive.encode(makeDirective())
const context = (kind: EnvelopeKind) => toUtf8(`hypha ${kind} v1`)
const eddsa = -8

const publicKeyOf = ({ publicKey }: Signer) =>
  createPublicKey({ key: Buffer.from(ed25519Spki(publicKey)), format: 'der', type: 'spki' })

/** The seeds of `test/support/signed.ts`: 32 times a byte. */
const seeds = {
  release: new Uint8Array(32).fill(3),
  release2: new Uint8Array(32).fill(4),
  gateway: new Uint8Array(32).fill(5),
}

const accepts = (envelope: Uint8Array, kind: EnvelopeKind, ...by: Signer[]) =>
  verifyThreshold(
    openEnvelope(envelope, kind, maxBytes),
    kind,
    { threshold: by.length, keys: by.map(({ publicKey }) => publicKey) },
    kind,
    crypto,
  )

type Structure = (...parts: Uint8Array[]) => Uint8Array

/** What stands in its own private functions: RFC 9052, 4.4, as the other implementation reads it. */
const theirs = {
  one: (header: Uint8Array, external: Uint8Array, content: Uint8Array): Uint8Array =>
    (Sign1 as unknown as { Signature1: Structure }).Signature1(header, external, content),
  /** Of a signature of its class, which it doesn't export. */
  part: (signature: object, body: Uint8Array, external: Uint8Array, content: Uint8Array): Uint8Array =>
    (signature.constructor as unknown as { Signature: Structure }).Signature(
      body,
      headerOf(signature),
      external,
      content,
    ),
}

const headerOf = (of: object): Uint8Array => (of as { encodedProtectedHeaders: Uint8Array }).encodedProtectedHeaders

describe('What one key signed (COSE_Sign1)', () => {
  it('is read and verified by another implementation, with the kind as external data', async () => {
    const envelope = Sign1.decode(signOne(payload, 'directive', keys.gateway))
    expect(new Uint8Array(envelope.payload)).toEqual(payload)
    expect([envelope.alg, envelope.protectedHeaders.get(Headers.ContentType)]).toEqual([
      eddsa,
      'application/vnd.hypha.directive+cbor',
    ])
    expect(new Uint8Array(envelope.kid!)).toEqual(keys.gateway.kid)
    await envelope.verify(publicKeyOf(keys.gateway), { externalAAD: context('directive') })
  })

  it('is refused by it with another kind, another key, or a changed payload', async () => {
    const bytes = signOne(payload, 'directive', keys.gateway)
    const options = { externalAAD: context('directive') }
    await expect(
      Sign1.decode(bytes).verify(publicKeyOf(keys.gateway), { externalAAD: context('root') }),
    ).rejects.toThrow()
    await expect(Sign1.decode(bytes).verify(publicKeyOf(thief), options)).rejects.toThrow()
    const changed = { ...options, detachedPayload: Uint8Array.of(...payload, 0) }
    await expect(Sign1.decode(bytes).verify(publicKeyOf(keys.gateway), changed)).rejects.toThrow()
  })

  it('is read here when another implementation wrote it, header, structure and all', () => {
    const header = new ProtectedHeaders([
      [Headers.Algorithm, eddsa],
      [Headers.ContentType, 'application/vnd.hypha.directive+cbor' as never],
      [Headers.KeyID, keys.gateway.kid],
    ]).encode()
    const signature = keys.gateway.sign(theirs.one(header, context('directive'), payload))
    const bytes = new Sign1(header, new Map(), payload, signature).encode()
    expect(accepts(new Uint8Array(bytes), 'directive', keys.gateway)).toEqual(payload)
  })

  it('is refused here when another implementation signed it without the kind as external data, which is all that it can sign', async () => {
    const headers = new ProtectedHeaders([
      [Headers.Algorithm, eddsa],
      [Headers.ContentType, 'application/vnd.hypha.directive+cbor' as never],
      [Headers.KeyID, keys.gateway.kid],
    ])
    const key = createPrivateKey({ key: Buffer.from(ed25519Pkcs8(seeds.gateway)), format: 'der', type: 'pkcs8' })
    const signed = await Sign1.sign(headers, undefined, payload, key)
    await signed.verify(publicKeyOf(keys.gateway))
    expectCode('signature-invalid', () => accepts(new Uint8Array(signed.encode()), 'directive', keys.gateway))
  })
})

describe('What several keys signed (COSE_Sign)', () => {
  const signers = [keys.release, keys.release2]
  const value = makeRelease()

  it('is read by another implementation, and each signature is over the structure that it builds', () => {
    const envelope = Sign.decode(signRelease(value, signers))
    expect(envelope.signatures).toHaveLength(2)
    for (const [index, signature] of envelope.signatures.entries()) {
      expect([signature.alg, new Uint8Array(signature.kid!)]).toEqual([eddsa, signers[index]!.kid])
      const signed = theirs.part(signature, headerOf(envelope), context('release'), envelope.payload)
      expect(nacl.sign.detached.verify(signed, Uint8Array.from(signature.signature), signers[index]!.publicKey)).toBe(
        true,
      )
    }
  })

  it('is read here when it was built by hand with cbor-x and tweetnacl', () => {
    const encoder = new Encoder({
      mapsAsObjects: false,
      useRecords: false,
      tagUint8Array: false,
      variableMapSize: true,
    })
    const content = Uint8Array.of(0xa0)
    const body = encoder.encode(new Map([[3, 'application/vnd.hypha.release+cbor']]))
    const parts = (['release', 'release2'] as const).map((name) => {
      const { publicKey, secretKey } = nacl.sign.keyPair.fromSeed(seeds[name])
      expect(publicKey).toEqual(keys[name].publicKey)
      const header = encoder.encode(
        new Map<number, unknown>([
          [1, eddsa],
          [4, keys[name].kid],
        ]),
      )
      const toBeSigned = encoder.encode(['Signature', body, header, context('release'), content])
      return [header, new Map(), nacl.sign.detached(Uint8Array.from(toBeSigned), secretKey)]
    })
    const bytes = Uint8Array.from(encoder.encode(new Tag([body, new Map(), content, parts], 98)))
    expect(accepts(bytes, 'release', keys.release, keys.release2)).toEqual(content)
    expect(toHex(bytes)).toBe(toHex(signMany(content, 'release', signers)))
  })
})
