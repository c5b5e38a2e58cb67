import { bytesEqual, fromHex } from '../bytes/text.ts'

// Implementations of Ed25519 differ in which odd keys and signatures they take. Hypha takes what libsodium takes, on every node and
// board: else one signature could be valid for one of them and not for another. All numbers are little-endian.

/** The order of the base point (RFC 8032, 5.1). */
const order = fromHex('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010')
/** The prime 2^255 − 19 of the field. */
const prime = fromHex('edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f')

/** The y coordinates of the points of order 1, 2, 4 and 8. With such a key, signatures can be made that fit many messages. */
const smallOrder = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
].map(fromHex)

/** Whether 32 bytes can be an Ed25519 public key that Hypha accepts: in its one encoding, and not of small order. */
export function isSoundPublicKey(publicKey: Uint8Array): boolean {
  return publicKey.length === 32 && isSoundPoint(publicKey)
}

/** Whether 64 bytes can be an Ed25519 signature that Hypha accepts: R as a public key is, S below the order (RFC 8032, 5.1.7, 8.4). */
export function isSoundSignature(signature: Uint8Array): boolean {
  return signature.length === 64 && isSoundPoint(signature.subarray(0, 32)) && isBelow(signature.subarray(32), order)
}

function isSoundPoint(point: Uint8Array): boolean {
  const y = Uint8Array.from(point)
  // The highest bit is the sign of x (RFC 8032, 5.1.2).
  y[31]! &= 0x7f
  return isBelow(y, prime) && !smallOrder.some((small) => bytesEqual(small, y))
}

function isBelow(value: Uint8Array, limit: Uint8Array): boolean {
  for (let index = 31; index >= 0; index--) {
    if (value[index] !== limit[index]) return value[index]! < limit[index]!
  }
  return false
}
