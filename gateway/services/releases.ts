import { HyphaError } from '@hypha/core/errors.ts'
import { openEnvelope } from '@hypha/core/trust/cose.ts'
import { type Release, release } from '@hypha/core/trust/release.ts'
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

/** Releases as they were accepted: their signatures were verified then, and the database is the gateway's own. */
export class Releases {
  readonly #store: Store
  readonly #cache = new Map<string, StoredRelease>()

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

  #read(record: ReleaseRecord): StoredRelease {
    const cached = this.#cache.get(record.digest)
    // An app may have been removed and pushed again: the numbers are the record's.
    if (cached !== undefined && cached.envelope === record.envelope) return cached
    const envelope = this.#store.contents.get(record.envelope)
    if (envelope === null) {
      throw new HyphaError('internal', `The envelope of release ${record.number} of ${record.app} is not in the store`)
    }
    const { unverifiedPayload } = openEnvelope(envelope, 'release', maxReleaseBytes)
    const read = { ...record, release: release.decode(unverifiedPayload), envelopeBytes: envelope.length }
    if (this.#cache.size >= maxCached) this.#cache.delete(this.#cache.keys().next().value!)
    this.#cache.set(record.digest, read)
    return read
  }
}
