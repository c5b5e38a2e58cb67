import nacl from 'tweetnacl'
import { concatBytes, toUtf8 } from '../bytes/text.ts'
import { HyphaError } from '../errors.ts'
import type { Crypto } from '../ports/crypto.ts'
import type { BoxKeys } from './seal.ts'

// The keys under which a board's reports carry their MACs. [S 8.13]

const p = 2n ** 255n - 19n
const macBytes = 16
const blockBytes = 64

/**
 * The X25519 key that belongs to an Ed25519 public key (RFC 7748, 4.1): u = (1 + y) / (1 − y). It is used with keys that anyone may see.
 *
 * @throws HyphaError `box-key-invalid` for the one point that has none.
 */
export function boxKeyOf(ed25519Key: Uint8Array): Uint8Array<ArrayBuffer> {
  const y = littleEndian(ed25519Key) & (2n ** 255n - 1n)
  const below = (((1n - y) % p) + p) % p
  if (ed25519Key.length !== 32 || below === 0n) {
    throw new HyphaError('box-key-invalid', 'The Ed25519 key has no X25519 key that belongs to it')
  }
  let u = ((1n + y) * power(below, p - 2n)) % p
  const out = new Uint8Array(32)
  for (let index = 0; index < 32; index++, u >>= 8n) out[index] = Number(u & 255n)
  return out
}

const littleEndian = (bytes: Uint8Array): bigint => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)

function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, base]
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % p
    square = (square * square) % p
  }
  return result
}

/** The key of a session with a board, of keys that were made for it. Throws `box-key-invalid` for a board's key of small order. */
export function sessionKeyOf(
  own: BoxKeys,
  boardKey: Uint8Array,
  crypto: Pick<Crypto, 'sha256'>,
): Uint8Array<ArrayBuffer> {
  const shared = nacl.scalarMult(own.secretKey, boxKeyOf(boardKey))
  if (shared.every((byte) => byte === 0)) {
    throw new HyphaError('box-key-invalid', "The board's key is not one to agree on a session with")
  }
  return crypto.sha256(concatBytes([toUtf8('hypha-board-session'), shared, own.publicKey, boardKey]))
}

/** What a board answers with to show that it has the session's key. */
export const sessionProof = (key: Uint8Array, crypto: Pick<Crypto, 'sha256'>): Uint8Array =>
  macOf(key, toUtf8('hypha-board-proof'), crypto)

/** The MAC of a board's report: the first 16 bytes of HMAC-SHA-256 (RFC 2104). */
export function macOf(key: Uint8Array, body: Uint8Array, { sha256 }: Pick<Crypto, 'sha256'>): Uint8Array {
  const padded = new Uint8Array(blockBytes)
  padded.set(key)
  const inner = sha256(concatBytes([padded.map((byte) => byte ^ 0x36), body]))
  return sha256(concatBytes([padded.map((byte) => byte ^ 0x5c), inner])).subarray(0, macBytes)
}

/** Compares in a time that doesn't tell where they differ. */
export const isMac = (given: Uint8Array, made: Uint8Array): boolean =>
  given.length === made.length && given.reduce((differ, byte, index) => differ | (byte ^ made[index]!), 0) === 0
