import { encodeCbor, tagged } from '@hypha/core/bytes/cbor.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { addSignature, openEnvelope, signMany, signOne, verifyThreshold } from '@hypha/core/trust/cose.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crypto, expectCode, keys, signer, thief } from '../../support/signed.ts'

const maxBytes = 10_000
const payload = Uint8Array.of(1, 2, 3)
const role = (threshold: number, ...signers: (typeof keys.root)[]) => ({
  threshold,
  keys: signers.map(({ publicKey }) => publicKey),
})
const verify = (envelope: Uint8Array, threshold: number, ...signers: (typeof keys.root)[]) =>
  verifyThreshold(
    openEnvelope(envelope, 'release', maxBytes),
    'release',
    role(threshold, ...signers),
    'release',
    crypto,
  )

const labels = { algorithm: 1, critical: 2, contentType: 3, kid: 4 }
const type = 'application/vnd.hypha.release+cbor'
const header = (...entries: [number, unknown][]) => encodeCbor(new Map(entries))
const body = header([labels.contentType, type])
const signatureHeader = header([labels.algorithm, -8], [labels.kid, keys.release.kid])
const envelopeOf = (...fields: unknown[]) => encodeCbor(tagged(98, fields))

describe('A signed envelope', () => {
  it('gives back its payload, by one signature or several', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (any) => {
        const expected = Uint8Array.from(any)
        expect(verify(signOne(any, 'release', keys.release), 1, keys.release)).toEqual(expected)
        const both = signMany(any, 'release', [keys.release, keys.release2])
        expect(verify(both, 2, keys.release2, keys.release)).toEqual(expected)
      }),
      { numRuns: 20 },
    )
  })

  it('is refused when any of its bytes was changed', () => {
    for (const envelope of [signOne(payload, 'release', keys.release), signMany(payload, 'release', [keys.release])]) {
      for (let at = 0; at < envelope.length; at++) {
        const changed = Uint8Array.from(envelope)
        changed[at]! ^= 0x01
        expect(() => verify(changed, 1, keys.release), `byte ${at}`).toThrow(HyphaError)
      }
    }
  })

  it('is refused when it is cut at any byte, or longer', () => {
    const envelope = signMany(payload, 'release', [keys.release])
    for (let end = 0; end < envelope.length; end++) {
      expect(() => verify(envelope.subarray(0, end), 1, keys.release), `${end} bytes`).toThrow(HyphaError)
    }
    expectCode('bytes-malformed', () => verify(Uint8Array.from([...envelope, 0]), 1, keys.release))
  })

  it('is an error of ours, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom([0xd2], [0xd8, 0x62], []), (any, start) => {
        expect(() => openEnvelope(Uint8Array.from([...start, ...any]), 'root', maxBytes)).toThrow(HyphaError)
      }),
      { numRuns: 300 },
    )
  })

  it('signs what RFC 9052, 4.4 says, with the kind as external data', () => {
    const text = (value: string) => [
      ...(value.length < 24 ? [0x60 + value.length] : [0x78, value.length]),
      ...Buffer.from(value),
    ]
    const bytes = (value: Uint8Array) => [
      ...(value.length < 24 ? [0x40 + value.length] : [0x58, value.length]),
      ...value,
    ]
    const context = bytes(Buffer.from('hypha release v1'))
    const one = Uint8Array.from([0xa3, 1, 0x27, 3, ...text(type), 4, 0x48, ...keys.release.kid])
    const expected = {
      one: [0x84, ...text('Signature1'), ...bytes(one), ...context, 0x43, 1, 2, 3],
      many: [0x85, ...text('Signature'), ...bytes(body), ...bytes(signatureHeader), ...context, 0x43, 1, 2, 3],
    }
    const signed = (toBeSigned: number[]) => Buffer.from(keys.release.sign(Uint8Array.from(toBeSigned)))
    expect(Buffer.from(signOne(payload, 'release', keys.release)).subarray(-64)).toEqual(signed(expected.one))
    expect(Buffer.from(signMany(payload, 'release', [keys.release])).subarray(-64)).toEqual(signed(expected.many))
  })
})

describe('The threshold of a role', () => {
  it('counts keys, not signatures, and passes over keys of others', () => {
    const envelope = signMany(payload, 'release', [thief, keys.release])
    expect(verify(envelope, 1, keys.release, keys.release2)).toEqual(payload)
    expectCode('threshold-not-met', () => verify(envelope, 2, keys.release, keys.release2))
  })

  it('is not met by a role that lists a key twice', () => {
    expectCode('threshold-not-met', () =>
      verify(signOne(payload, 'release', keys.release), 2, keys.release, keys.release),
    )
  })

  it("is not met by one key's signature under another's name", () => {
    const forged = Buffer.from(signOne(payload, 'release', thief))
    forged.set(keys.release.kid, forged.indexOf(thief.kid))
    expectCode('signature-invalid', () => verify(new Uint8Array(forged), 1, keys.release))
  })

  it('is reached signature by signature', () => {
    const first = signMany(payload, 'release', [keys.release])
    const both = addSignature(first, 'release', keys.release2, maxBytes)
    expect(verify(both, 2, keys.release, keys.release2)).toEqual(payload)
    const again = addSignature(both, 'release', keys.release2, maxBytes)
    expect(openEnvelope(again, 'release', maxBytes).signatures).toHaveLength(2)
  })

  it('is judged over the payload that was signed, not over another kind of message', () => {
    expectCode('envelope-kind', () => openEnvelope(signOne(payload, 'directive', keys.release), 'release', maxBytes))
  })
})

describe('The form of an envelope', () => {
  const part = [signatureHeader, new Map(), keys.release.sign(payload)]
  const refused = (...fields: unknown[]) =>
    expectCode('envelope-malformed', () => openEnvelope(envelopeOf(...fields), 'release', maxBytes))

  it('is refused with anything in unprotected headers', () => {
    refused(body, new Map([[4, keys.release.kid]]), payload, [part])
    refused(body, new Map(), payload, [[signatureHeader, new Map([[1, -8]]), part[2]]])
  })

  it('is refused with a critical header, or any other that is not known', () => {
    refused(header([labels.critical, [99]], [labels.contentType, type]), new Map(), payload, [part])
    refused(header([labels.contentType, type], [99, 1]), new Map(), payload, [part])
  })

  it('is refused with a label twice', () => {
    const twice = Uint8Array.from([0xa2, ...body.subarray(1), ...body.subarray(1)])
    expectCode('bytes-malformed', () =>
      openEnvelope(envelopeOf(twice, new Map(), payload, [part]), 'release', maxBytes),
    )
  })

  it('is refused with another algorithm, or a key id or a signature of another length', () => {
    refused(body, new Map(), payload, [[header([1, -7], [4, keys.release.kid]), new Map(), part[2]]])
    refused(body, new Map(), payload, [[header([1, -8], [4, Uint8Array.of(1)]), new Map(), part[2]]])
    refused(body, new Map(), payload, [[signatureHeader, new Map(), new Uint8Array(63)]])
  })

  it('is refused without a payload, without signatures, and with two by one key', () => {
    refused(body, new Map(), null, [part])
    refused(body, new Map(), payload, [])
    refused(body, new Map(), payload, [part, part])
  })

  it('is refused without its tag', () => {
    const bare = encodeCbor([body, new Map(), payload, [part]])
    expectCode('envelope-malformed', () => openEnvelope(bare, 'release', maxBytes))
  })

  it('takes no second signature where one key signs alone', () => {
    const alone = signOne(payload, 'release', keys.release)
    expectCode('envelope-malformed', () => addSignature(alone, 'release', signer(4), maxBytes))
  })
})
