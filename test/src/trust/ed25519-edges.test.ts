import { createPublicKey, verify, webcrypto } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ed25519Spki } from '@hypha/core/bytes/ed25519.ts'
import { fromHex } from '@hypha/core/bytes/text.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { isSoundPublicKey } from '@hypha/core/trust/ed25519-checks.ts'
import { checkRoot } from '@hypha/core/trust/shape.ts'
import nacl from 'tweetnacl'
import { describe, expect, it } from 'vitest'
import { expectCode, makeRoot } from '../../support/signed.ts'

interface Vector {
  readonly name: string
  readonly publicKey: string
  readonly message: string
  readonly signature: string
  /** Whether the implementation takes it by itself, as measured. */
  readonly openssl: boolean
  readonly tweetnacl: boolean
}

const file = new URL('../../vectors/ed25519-edge-cases.json', import.meta.url)
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] }

const parts = ({ publicKey, message, signature }: Vector) =>
  [fromHex(publicKey), fromHex(message), fromHex(signature)] as const

/** OpenSSL as Node gives it, without the checks of this project. */
function opensslTakes(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.from(ed25519Spki(publicKey)), format: 'der', type: 'spki' })
  return verify(null, message, key, signature)
}

/** What signs and checks certificates. */
async function webCryptoTakes(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const key = await webcrypto.subtle.importKey('raw', Buffer.from(publicKey), 'Ed25519', false, ['verify'])
  return webcrypto.subtle.verify('Ed25519', key, Buffer.from(signature), Buffer.from(message))
}

describe('Signatures on which implementations of Ed25519 disagree', () => {
  it.each(vectors)('are taken by OpenSSL, WebCrypto and tweetnacl as the table says: $name', async (vector) => {
    const [publicKey, message, signature] = parts(vector)
    const raw = {
      openssl: opensslTakes(publicKey, message, signature),
      web: await webCryptoTakes(publicKey, message, signature),
      tweetnacl: nacl.sign.detached.verify(message, signature, publicKey),
    }
    expect(raw).toEqual({ openssl: vector.openssl, web: vector.openssl, tweetnacl: vector.tweetnacl })
  })

  it.each(vectors.filter(({ name }) => !name.startsWith('3:')))('are refused here: $name', (vector) => {
    expect(nodeCrypto.verify(...parts(vector))).toBe(false)
  })

  it('are taken here only where all of them agree: the owner of an odd key made it, and whoever checks it without the cofactor finds it right', () => {
    const vector = vectors[3]!
    expect([vector.openssl, vector.tweetnacl]).toEqual([true, true])
    expect(nodeCrypto.verify(...parts(vector))).toBe(true)
  })
})

describe('Keys that implementations disagree on', () => {
  const small = vectors.filter(({ name }) => /A (and R )?of small order/.test(name)).map(({ publicKey }) => publicKey)

  it.each([...new Set(small)])('are no keys of root metadata: %s', (publicKey) => {
    const key = fromHex(publicKey)
    expect(isSoundPublicKey(key)).toBe(false)
    expectCode('root-unusable', () => checkRoot(makeRoot({ release: { threshold: 1, keys: [key] } })))
  })
})
