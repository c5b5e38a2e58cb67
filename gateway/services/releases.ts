import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { openEnvelope, signaturesBy } from '@hypha/core/trust/cose.ts'
import { type Release, release } from '@hypha/core/trust/release.ts'
import type { Role } from '@hypha/core/trust/root.ts'
import { maxReleaseBytes } from '@hypha/core/trust/snapshot.ts'
import type { ReleaseRecord } from '../store/apps.ts'
import type { Store } from '../store/store.ts'

const maxCached = 256

/** A stored release with what was signed of it. */
export interface StoredRelease extends ReleaseRecord {
  readonly release: Release
  /** Of the envelope. */
  readonly envelopeBytes: number
}

/** How far a release is with its signatures, by the release role as it is now. */
export interface Signed {
  /** Keys of the role that have signed. */
  readonly signed: number
  readonly threshold: number
  /** Ids of those keys, hex. */
  readonly signedBy: readonly string[]
}

/** Releases as they were accepted: their signatures were verified then, and the database is the gateway's own. */
export class Releases {
  readonly #store: Store
  readonly #cache = new Map<string, StoredRelease>()
  readonly #signed = new Map<string, readonly string[]>()

  constructor(store: Store) {
    this.#store = store
  }

  byDigest(digest: string): StoredRelease | null {
    const record = this.#store.apps.releaseByDigest(digest)
    return record && this.#read(record)
  }

  byNumber(app: string, number: number): StoredRelease | null {
    const record = this.#store.apps.release(app, number)
    return record && this.#read(record)
  }

  /** The highest floor that any release of the app has set. */
  floor(app: string): number {
    // Each release's floor is at least that of the one before (accept.ts).
    const [newest] = this.#store.apps.releases(app)
    return newest === undefined ? 0 : this.#read(newest).release.floor
  }

  /** The envelope that a further signature goes on. */
  envelopeToSign(record: ReleaseRecord): Uint8Array<ArrayBuffer> {
    return this.#envelope(record, record.collecting ?? record.envelope)
  }

  /** Which keys of the role have signed a release: what is being collected, or what nodes are given. */
  signed(record: ReleaseRecord, role: Role, crypto: Crypto, which: 'collected' | 'inForce' = 'collected'): Signed {
    const digest = which === 'inForce' ? record.envelope : (record.collecting ?? record.envelope)
    const key = `${digest} ${role.keys.map(toHex).join(' ')}`
    let signedBy = this.#signed.get(key)
    if (signedBy === undefined) {
      const opened = openEnvelope(this.#envelope(record, digest), 'release', maxReleaseBytes)
      signedBy = signaturesBy(opened, role, crypto).valid.map(toHex)
      if (this.#signed.size >= maxCached) this.#signed.delete(this.#signed.keys().next().value!)
      this.#signed.set(key, signedBy)
    }
    return { signed: signedBy.length, threshold: role.threshold, signedBy }
  }

  #envelope(record: ReleaseRecord, digest: string): Uint8Array<ArrayBuffer> {
    const envelope = this.#store.contents.get(digest)
    if (envelope !== null) return envelope
    throw new HyphaError('internal', `The envelope of release ${record.number} of ${record.app} is not in the store`)
  }

  #read(record: ReleaseRecord): StoredRelease {
    const cached = this.#cache.get(record.digest)
    // An app may have been removed and pushed again: the numbers are the record's.
    if (cached !== undefined && cached.envelope === record.envelope) return { ...cached, ...record }
    const envelope = this.#envelope(record, record.envelope)
    const { unverifiedPayload } = openEnvelope(envelope, 'release', maxReleaseBytes)
    const read = { ...record, release: release.decode(unverifiedPayload), envelopeBytes: envelope.length }
    if (this.#cache.size >= maxCached) this.#cache.delete(this.#cache.keys().next().value!)
    this.#cache.set(record.digest, read)
    return read
  }
}
