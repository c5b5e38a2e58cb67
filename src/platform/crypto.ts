import { createPrivateKey, createPublicKey, hash, type KeyObject, randomBytes, sign, verify } from 'node:crypto'
import { ed25519Pkcs8, ed25519Spki } from '../bytes/ed25519.ts'
import { toHex } from '../bytes/text.ts'
import { HyphaError } from '../errors.ts'
import type { Crypto } from '../ports/crypto.ts'
import { isSoundPublicKey, isSoundSignature } from '../trust/ed25519-checks.ts'

/** Reading a public key costs a quarter of verifying with it, and few keys sign most of what comes. */
const maxCachedKeys = 256

const publicKeys = new Map<string, KeyObject>()

/** The crypto port over node:crypto. Which odd keys and signatures are refused doesn't depend on its version (`ed25519-checks.ts`). */
export const nodeCrypto: Crypto = {
  sha256: (bytes) => new Uint8Array(hash('sha256', bytes, 'buffer')),

  sign: (seed, message) => new Uint8Array(sign(null, message, privateKeyObject(seed))),

  verify(publicKey, message, signature) {
    if (!isSoundPublicKey(publicKey) || !isSoundSignature(signature)) return false
    return verify(null, message, publicKeyObject(publicKey), signature)
  },

  publicKey(seed) {
    const der = createPublicKey(privateKeyObject(seed)).export({ format: 'der', type: 'spki' })
    return new Uint8Array(der.subarray(-32))
  },

  random: (count) => new Uint8Array(randomBytes(count)),
}

/** Not cached: secrets shouldn't stay in memory longer than their owner keeps them. */
function privateKeyObject(seed: Uint8Array): KeyObject {
  if (seed.length !== 32) throw new HyphaError('bytes-malformed', `An Ed25519 seed has 32 bytes, not ${seed.length}`)
  const der = Buffer.from(ed25519Pkcs8(seed))
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } finally {
    der.fill(0)
  }
}

function publicKeyObject(publicKey: Uint8Array): KeyObject {
  const name = toHex(publicKey)
  const cached = publicKeys.get(name)
  if (cached) return cached
  const key = createPublicKey({ key: Buffer.from(ed25519Spki(publicKey)), format: 'der', type: 'spki' })
  // A Map keeps the order of insertion: the first is the one that has been there longest.
  if (publicKeys.size >= maxCachedKeys) publicKeys.delete(publicKeys.keys().next().value!)
  publicKeys.set(name, key)
  return key
}
