import { encodeCbor } from '../bytes/cbor.ts'
import type { Crypto } from '../ports/crypto.ts'
import { funcDigestItem } from './encode-world.ts'
import type { FuncType } from './types.ts'

/**
 * An interface's name with as much of its version as tells what fits: versions that differ in the rest serve one another as far as functions agree. Semantic Versioning 2.0.0, clause 4, as package
 * managers read it: below 1.0.0 the leftmost number that isn't 0 marks what breaks.
 */
export function versionTrack(name: string): string {
  const match = /^(.*)@(\d+)\.(\d+)\.(\d+)([-+].*)?$/.exec(name)
  if (match === null) return name
  const [, bare, major, minor, patch, rest = ''] = match
  // A version before a release fits nothing but itself.
  if (rest.startsWith('-')) return `${bare}@${major}.${minor}.${patch}${rest}`
  if (major !== '0') return `${bare}@${major}`
  return minor !== '0' ? `${bare}@0.${minor}` : `${bare}@0.0.${patch}`
}

/**
 * Of a function of an interface, as whoever calls it and whoever serves it were built against it: equal where what crosses is the same. So an interface that only gained functions serves its older
 * callers, whatever the epochs. 32 bytes. [P 11.8]
 */
export function functionDigest(name: string, func: FuncType, crypto: Pick<Crypto, 'sha256'>): Uint8Array {
  return crypto.sha256(encodeCbor([versionTrack(name), funcDigestItem(func)]))
}
