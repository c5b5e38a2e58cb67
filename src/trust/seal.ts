import nacl from 'tweetnacl'
import { HyphaError } from '../errors.ts'
import type { Crypto } from '../ports/crypto.ts'

/** A secret that only the holder of one X25519 key can read (NaCl `box`). Who sealed it is said by the directive's signature, not by the box. */
export interface Sealed {
  /** Made for this one box. */
  readonly senderKey: Uint8Array
  readonly nonce: Uint8Array
  readonly box: Uint8Array
}

/** An X25519 key pair, 32 bytes each. */
export interface BoxKeys {
  readonly publicKey: Uint8Array
  readonly secretKey: Uint8Array
}

/** New keys to receive secrets with. */
export function makeBoxKeys(crypto: Pick<Crypto, 'random'>): BoxKeys {
  return nacl.box.keyPair.fromSecretKey(crypto.random(nacl.box.secretKeyLength))
}

/** The keys that belong to a stored secret key of 32 bytes. */
export function boxKeysOf(secretKey: Uint8Array): BoxKeys {
  if (secretKey.length !== nacl.box.secretKeyLength) {
    throw new HyphaError('bytes-malformed', `An X25519 secret key has 32 bytes, not ${secretKey.length}`)
  }
  return nacl.box.keyPair.fromSecretKey(secretKey)
}

/** Seals `plain` to a node's X25519 public key. Throws `box-key-invalid` for a key that makes every box readable by anyone. */
export function seal(plain: Uint8Array, recipientPublicKey: Uint8Array, crypto: Pick<Crypto, 'random'>): Sealed {
  const sender = makeBoxKeys(crypto)
  const nonce = crypto.random(nacl.box.nonceLength)
  checkRecipient(sender.secretKey, recipientPublicKey)
  return { senderKey: sender.publicKey, nonce, box: nacl.box(plain, nonce, recipientPublicKey, sender.secretKey) }
}

/** The secret, or null if it wasn't sealed to this key or was changed. */
export function openSealed(sealed: Sealed, secretKey: Uint8Array): Uint8Array | null {
  if (sealed.senderKey.length !== nacl.box.publicKeyLength || sealed.nonce.length !== nacl.box.nonceLength) return null
  return nacl.box.open(sealed.box, sealed.nonce, sealed.senderKey, secretKey)
}

/** RFC 7748, 6.1: a public key of small order gives the shared secret zero, whoever the sender is. */
function checkRecipient(secretKey: Uint8Array, recipientPublicKey: Uint8Array): void {
  const sound =
    recipientPublicKey.length === nacl.box.publicKeyLength &&
    nacl.scalarMult(secretKey, recipientPublicKey).some((byte) => byte !== 0)
  if (!sound) throw new HyphaError('box-key-invalid', 'The X25519 public key of the recipient is not one to seal to')
}
