import { encodeCbor } from '../bytes/cbor.ts'
import type { Crypto } from '../ports/crypto.ts'
import { funcDigestItem } from './encode-world.ts'
import type { FuncType } from './types.ts'
import { versionTrack } from './versions.ts'

/**
 * Of a function of an interface, as whoever calls it and whoever serves it were built against it: equal where what crosses is the same. So an interface that only gained functions serves its older
 * callers, whatever the epochs. 32 bytes. [P 11.8]
 */
export function functionDigest(name: string, func: FuncType, crypto: Pick<Crypto, 'sha256'>): Uint8Array {
  return crypto.sha256(encodeCbor([versionTrack(name), funcDigestItem(func)]))
}
