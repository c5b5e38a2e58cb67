import { readFileSync } from 'node:fs'
import { fromHex, toHex, toUtf8 } from '@hypha/core/bytes/text.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { isSoundPublicKey, isSoundSignature } from '@hypha/core/trust/ed25519-checks.ts'
import fc from 'fast-check'
import nacl from 'tweetnacl'
import { describe, expect, it } from 'vitest'
import { expectCode } from '../../support/signed.ts'

type Vector = Readonly<Record<'name' | 'seed' | 'publicKey' | 'message' | 'signature', string>>
const file = new URL('../../vectors/ed25519.json', import.meta.url)
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] }

const order = 2n ** 252n + 27742317777372353535851937790883648493n
const prime = 2n ** 255n - 19n
const littleEndian = (value: bigint) => fromHex(value.toString(16).padStart(64, '0')).reverse()
const fromLittleEndian = (bytes: Uint8Array) => BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`)

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('Ed25519 over node:crypto', () => {
  it.each(vectors)('signs and verifies as RFC 8032 shows: $name', ({ seed, publicKey, message, signature }) => {
    expect(toHex(nodeCrypto.publicKey(fromHex(seed)))).toBe(publicKey)
    expect(toHex(nodeCrypto.sign(fromHex(seed), fromHex(message)))).toBe(signature)
    expect(nodeCrypto.verify(fromHex(publicKey), fromHex(message), fromHex(signature))).toBe(true)
  })

  it('agrees with tweetnacl on keys and signatures', () => {
    fc.assert(
      fc.property(bytes32, fc.uint8Array({ maxLength: 200 }), (seed, message) => {
        const pair = nacl.sign.keyPair.fromSeed(seed)
        const signature = nodeCrypto.sign(seed, message)
        expect(nodeCrypto.publicKey(seed)).toEqual(pair.publicKey)
        expect(signature).toEqual(nacl.sign.detached(message, pair.secretKey))
        expect(nodeCrypto.verify(pair.publicKey, message, signature)).toBe(true)
      }),
      { numRuns: 20 },
    )
  })

  it('refuses a signature of which any bit was changed, as tweetnacl does', () => {
    const seed = new Uint8Array(32).fill(9)
    const message = toUtf8('a directive')
    const publicKey = nodeCrypto.publicKey(seed)
    const signature = nodeCrypto.sign(seed, message)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 511 }), (bit) => {
        const changed = Uint8Array.from(signature)
        changed[bit >> 3]! ^= 1 << (bit & 7)
        expect(nodeCrypto.verify(publicKey, message, changed)).toBe(false)
        expect(nacl.sign.detached.verify(message, changed, publicKey)).toBe(false)
      }),
      { numRuns: 30 },
    )
  })

  it('answers false, and throws nothing, for bytes of any length', () => {
    const any = fc.uint8Array({ maxLength: 80 })
    fc.assert(
      fc.property(any, any, any, (publicKey, message, signature) => {
        expect(nodeCrypto.verify(publicKey, message, signature)).toBe(false)
      }),
    )
  })

  it('refuses a seed of another length than 32 bytes', () => {
    expectCode('bytes-malformed', () => nodeCrypto.sign(new Uint8Array(31), new Uint8Array(0)))
  })
})

describe('Keys and signatures that implementations disagree on', () => {
  const message = toUtf8('any message')
  const seed = new Uint8Array(32).fill(9)

  it('are refused: a key of order 1, whose one signature tweetnacl takes for every message', () => {
    const identity = littleEndian(1n)
    const signature = new Uint8Array(64)
    signature.set(identity)
    expect(nacl.sign.detached.verify(message, signature, identity)).toBe(true)
    expect(nodeCrypto.verify(identity, message, signature)).toBe(false)
  })

  it('are refused: every key of small order, in each of its encodings', () => {
    const eighth = fromLittleEndian(fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'))
    const sign = 2n ** 255n
    const canonical = [0n, 1n, prime - 1n, eighth, prime - eighth]
    for (const y of [...canonical, prime, prime + 1n]) {
      expect(isSoundPublicKey(littleEndian(y)), `y = ${y}`).toBe(false)
      expect(isSoundPublicKey(littleEndian(y + sign)), `y = ${y}, x negative`).toBe(false)
    }
  })

  it('are refused: every coordinate that is not below the prime', () => {
    for (let y = prime; y < 2n ** 255n; y++) expect(isSoundPublicKey(littleEndian(y))).toBe(false)
    expect(isSoundPublicKey(littleEndian(prime - 2n))).toBe(true)
  })

  it('are refused: a signature with S + L in the place of S, which tweetnacl takes', () => {
    const signature = nodeCrypto.sign(seed, message)
    const twin = Uint8Array.from(signature)
    twin.set(littleEndian(fromLittleEndian(signature.subarray(32)) + order), 32)
    expect(nacl.sign.detached.verify(message, twin, nodeCrypto.publicKey(seed))).toBe(true)
    expect(isSoundSignature(twin)).toBe(false)
    expect(nodeCrypto.verify(nodeCrypto.publicKey(seed), message, twin)).toBe(false)
  })

  it('are refused: S at the order and above, and R of small order', () => {
    const sound = nodeCrypto.sign(seed, message)
    const withS = (s: bigint) => Uint8Array.from([...sound.subarray(0, 32), ...littleEndian(s)])
    expect(isSoundSignature(withS(order - 1n))).toBe(true)
    expect(isSoundSignature(withS(order))).toBe(false)
    expect(isSoundSignature(Uint8Array.from([...littleEndian(1n), ...sound.subarray(32)]))).toBe(false)
  })

  it('are only those: honest keys and signatures are always sound', () => {
    fc.assert(
      fc.property(bytes32, (any) => {
        expect(isSoundPublicKey(nodeCrypto.publicKey(any))).toBe(true)
        expect(isSoundSignature(nodeCrypto.sign(any, message))).toBe(true)
      }),
      { numRuns: 30 },
    )
  })
})

describe('The other functions', () => {
  it('digest as FIPS 180-4 shows', () => {
    expect(toHex(nodeCrypto.sha256(toUtf8('abc')))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
  })

  it('give as many random bytes as asked, each time others', () => {
    expect(nodeCrypto.random(16)).toHaveLength(16)
    expect(nodeCrypto.random(16)).not.toEqual(nodeCrypto.random(16))
  })
})
