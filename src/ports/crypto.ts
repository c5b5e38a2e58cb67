/** The cryptography that Hypha uses, and no other. Keys and signatures are raw bytes. */
export interface Crypto {
  sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer>
  /** Ed25519 (RFC 8032). `seed` has 32 bytes, the signature 64. */
  sign(seed: Uint8Array, message: Uint8Array): Uint8Array<ArrayBuffer>
  /** False for any bytes that are no valid signature; keys of small order and S out of range are refused. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** The public key of a seed. */
  publicKey(seed: Uint8Array): Uint8Array<ArrayBuffer>
  random(count: number): Uint8Array<ArrayBuffer>
}
