import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { type Section, section } from '@hypha/core/trust/directive.ts'
import { type Release, release } from '@hypha/core/trust/release.ts'
import { checkRelease, checkSection } from '@hypha/core/trust/shape.ts'
import { bytes, message, record } from '@hypha/core/wire/codec.ts'
import { id } from '@hypha/core/wire/ids.ts'

const stored = message(
  'stored section',
  record({
    fleet: [1, id],
    node: [2, id],
    section: [3, section],
    /** Payload of the release. */
    release: [4, bytes({ max: 65_536 })],
  }),
  160 * 1024,
)

interface StoredSection {
  readonly fleet: string
  readonly node: string
  readonly section: Section
  readonly release: Release
  /** The release's bytes as they were signed: what is made of it anew may have lost fields of a later version. */
  readonly payload: Uint8Array
}

/** A verified section as a node keeps it on its own disk. */
export function encodeStored(value: Omit<StoredSection, 'release'>): Uint8Array<ArrayBuffer> {
  const { fleet, node, section, payload } = value
  return stored.encode({ fleet, node, section, release: payload })
}

/** Throws `digest-mismatch` where the release isn't the one that the section names, and what decoding and the checks of shape throw. */
export function decodeStored(record: Uint8Array, crypto: Pick<Crypto, 'sha256'>): StoredSection {
  const { fleet, node, section, release: payload } = stored.decode(record)
  if (!bytesEqual(crypto.sha256(payload), section.release)) {
    throw new HyphaError('digest-mismatch', `The stored release of ${section.app} is not the one that was verified`)
  }
  const kept = release.decode(payload)
  checkRelease(kept)
  checkSection(section, kept)
  return { fleet, node, section, release: kept, payload }
}
