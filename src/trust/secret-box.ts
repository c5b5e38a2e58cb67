import nacl from 'tweetnacl'
import type { Crypto } from '../ports/crypto.ts'

export const boxNonceBytes = nacl.secretbox.nonceLength

/** Bytes that only the holder of one symmetric key can read or change (NaCl `secretbox`). */
export interface SecretBox {
  readonly nonce: Uint8Array
  readonly box: Uint8Array
}

/** `key` has 32 bytes. */
export function sealWithKey(plain: Uint8Array, key: Uint8Array, crypto: Pick<Crypto, 'random'>): SecretBox {
  const nonce = crypto.random(boxNonceBytes)
  return { nonce, box: nacl.secretbox(plain, nonce, key) }
}

/** What was sealed, or null where the key is another or the box was changed. */
export function openWithKey({ nonce, box }: SecretBox, key: Uint8Array): Uint8Array | null {
  return nacl.secretbox.open(box, nonce, key)
}
