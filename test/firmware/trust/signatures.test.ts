import { createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { decodeCbor, encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { Asked, buildChecked } from '../../support/firmware.ts'

const board = new Asked(buildChecked('trust-check'))
afterAll(() => board.end())

const vectorsOf = (name: string) => JSON.parse(readFileSync(new URL(`../../vectors/${name}`, import.meta.url), 'utf8'))

describe('Signatures on a board', () => {
  const { vectors } = vectorsOf('ed25519-edge-cases.json') as {
    vectors: { name: string; publicKey: string; message: string; signature: string }[]
  }

  it.each(vectors)('are taken where the other tiers take them, and nowhere else: $name', async (vector) => {
    const { publicKey, message, signature } = vector
    const here = nodeCrypto.verify(fromHex(publicKey), fromHex(message), fromHex(signature))
    expect(await board.ask('verify', publicKey, message, signature)).toBe(here ? 'yes' : 'no')
  })

  it('verify for any message and key, and for no other byte anywhere', async () => {
    const message = fc.uint8Array({ maxLength: 400 })
    const seed = fc.uint8Array({ minLength: 32, maxLength: 32 })
    await fc.assert(
      fc.asyncProperty(seed, message, fc.nat(), async (secret, text, where) => {
        const key = nodeCrypto.publicKey(secret)
        const signature = nodeCrypto.sign(secret, text)
        expect(await board.ask('verify', key, text, signature)).toBe('yes')
        const [badKey, badSignature] = [Uint8Array.from(key), Uint8Array.from(signature)]
        badSignature[where % 64]! ^= 1 << (where % 8)
        badKey[where % 32]! ^= 1 << (where % 8)
        expect(await board.ask('verify', key, text, badSignature)).toBe('no')
        expect(await board.ask('verify', badKey, text, signature)).toBe('no')
      }),
      { numRuns: 40 },
    )
  })

  it('have keys made of seeds as everywhere', async () => {
    for (const byte of [0, 1, 7, 0x80, 0xff]) {
      const seed = new Uint8Array(32).fill(byte)
      expect(await board.ask('public', seed)).toBe(`ok ${toHex(nodeCrypto.publicKey(seed))}`)
    }
  })
})

describe('A secret shared with a board', () => {
  it('is the one that X25519 gives the other side', async () => {
    for (let i = 0; i < 8; i++) {
      const seed = nodeCrypto.sha256(Uint8Array.of(i))
      const { privateKey, publicKey } = generateKeyPairSync('x25519')
      const mine = fromHex(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url').toString('hex'))
      // The board's own key, as its peer comes to it: the point of its Ed25519 key as X25519 writes it.
      const u = montgomery(nodeCrypto.publicKey(seed))
      const theirs = createPublicKey({
        key: { kty: 'OKP', crv: 'X25519', x: Buffer.from(u).toString('base64url') },
        format: 'jwk',
      })
      const secret = diffieHellman({ privateKey, publicKey: theirs })
      expect(await board.ask('shared', seed, mine)).toBe(`ok ${toHex(secret)}`)
    }
  })

  it('is refused where it would be none', async () => {
    for (const u of [0, 1])
      expect(await board.ask('shared', new Uint8Array(32).fill(9), Uint8Array.of(u, ...new Uint8Array(31)))).toMatch(
        /^no /,
      )
  })
})

describe('Digests on a board', () => {
  it('are those of SHA-256 and HMAC', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        expect(await board.ask('sha256', bytes)).toBe(`ok ${toHex(nodeCrypto.sha256(bytes))}`)
      }),
    )
    // RFC 4231, 4.3.
    const [key, text] = ['Jefe', 'what do ya want for nothing?'].map((each) => Buffer.from(each))
    expect(await board.ask('hmac', key!, text!)).toBe(
      'ok 5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
  })
})

describe('CBOR on a board', () => {
  /** The code by which the other tiers refuse the bytes. */
  const here = (bytes: Uint8Array) => {
    try {
      decodeCbor(bytes, 'it')
      return 'ok'
    } catch (error) {
      return error instanceof HyphaError ? error.code : 'bytes-malformed'
    }
  }

  it('is taken and refused as on the other tiers, whatever the bytes', async () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: 'small' },
        fc.integer(),
        fc.string({ unit: 'grapheme' }),
        fc.uint8Array({ maxLength: 30 }),
        fc.constant(null),
        fc.boolean(),
        fc.double(),
        fc.array(tie('any'), { maxLength: 4 }),
        fc
          .array(fc.tuple(fc.oneof(fc.nat(40), fc.string({ maxLength: 3 })), tie('any')), { maxLength: 5 })
          .map((all) => new Map(all)),
      ),
    })).any
    const damaged = fc
      .tuple(value, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }))
      .map(([item, changes]) => {
        const bytes = encodeCbor(item)
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        return bytes
      })
    await fc.assert(
      fc.asyncProperty(fc.oneof(damaged, fc.uint8Array({ maxLength: 40 })), async (bytes) => {
        const [mine, theirs] = [here(bytes), await board.ask('cbor', bytes)]
        // Simple values that stand for nothing are left to who reads the field: it has none of them.
        if (mine === 'bytes-malformed' && theirs === 'ok') expect([...bytes].some((byte) => byte >= 0xe0)).toBe(true)
        else expect(theirs).toBe(mine)
      }),
      { numRuns: 400 },
    )
  })
})

/** u = (1 + y) / (1 − y) modulo 2^255 − 19 (RFC 7748, 4.1). */
function montgomery(point: Uint8Array): Uint8Array {
  const prime = 2n ** 255n - 19n
  const number = (bytes: Uint8Array) => bytes.reduceRight((all, byte) => (all << 8n) | BigInt(byte), 0n)
  const power = (base: bigint, exponent: bigint): bigint => {
    if (exponent === 0n) return 1n
    const half = power((base * base) % prime, exponent >> 1n)
    return exponent & 1n ? (half * base) % prime : half
  }
  const y = number(point) & (2n ** 255n - 1n)
  const u = ((1n + y) * power((1n - y + prime) % prime, prime - 2n)) % prime
  return Uint8Array.from({ length: 32 }, (_, i) => Number((u >> BigInt(8 * i)) & 255n))
}
