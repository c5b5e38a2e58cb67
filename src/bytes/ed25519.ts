import { HyphaError } from '../errors.ts'
import { fromHex } from './text.ts'

// DER of RFC 8410, section 4 and 7: for keys of a fixed size all bytes before the key are fixed.
const spkiPrefix = fromHex('302a300506032b6570032100')
const pkcs8Prefix = fromHex('302e020100300506032b657004220420')

/** A raw Ed25519 public key (32 bytes) as SubjectPublicKeyInfo, which TLS and X.509 libraries read. */
export function ed25519Spki(publicKey: Uint8Array): Uint8Array<ArrayBuffer> {
  return withPrefix(spkiPrefix, publicKey, 'An Ed25519 public key')
}

/** An Ed25519 seed (32 bytes) as PKCS #8, which TLS libraries read. It is as secret as the seed. */
export function ed25519Pkcs8(seed: Uint8Array): Uint8Array<ArrayBuffer> {
  return withPrefix(pkcs8Prefix, seed, 'An Ed25519 seed')
}

function withPrefix(prefix: Uint8Array, key: Uint8Array, what: string): Uint8Array<ArrayBuffer> {
  if (key.length !== 32) throw new HyphaError('bytes-malformed', `${what} has 32 bytes, not ${key.length}`)
  const der = new Uint8Array(prefix.length + 32)
  der.set(prefix)
  der.set(key, prefix.length)
  return der
}
