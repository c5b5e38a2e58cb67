import { HyphaError } from '@hypha/core/errors.ts'
import type { ContentStore } from './contents.ts'
import type { Database } from './sqlite.ts'

export interface ReleaseRecord {
  readonly app: string
  /** Rises with each release of the app. */
  readonly number: number
  /** Of the payload, hex. */
  readonly digest: string
  /** Digest of the signed envelope, which is one of the contents. */
  readonly envelope: string
  readonly label: string
  readonly createdAt: number
  /** It waits for signatures and may not run. */
  readonly pending: boolean
  /** Digest of the envelope on which signatures are collected while the one in force stays as nodes know it; null where there is none. */
  readonly collecting: string | null
}

export interface PlanRecord {
  readonly app: string
  readonly epoch: number
  /** Digest of the release that it places, hex. */
  readonly release: string
  readonly json: unknown
  readonly createdAt: number
}

type ReleaseRow = Omit<ReleaseRecord, 'createdAt' | 'pending'> & { created: number; pending: number }
type PlanRow = { app: string; epoch: number; release: string; json: string; created: number }

const toRelease = (row: ReleaseRow): ReleaseRecord => {
  const { app, number, digest, envelope, label, created, pending, collecting } = row
  return { app, number, digest, envelope, label, createdAt: created, pending: pending !== 0, collecting }
}

const toPlan = ({ app, epoch, release, json, created }: PlanRow): PlanRecord => ({
  app,
  epoch,
  release,
  json: JSON.parse(json),
  createdAt: created,
})

/** Apps with their releases and plans. */
export function createApps(db: Database, fleet: string, contents: ContentStore) {
  const insertApp = db.prepare('INSERT INTO apps (fleet, id, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
  const getApp = db.prepare<[string, string], { id: string; created: number }>(
    'SELECT id, created FROM apps WHERE fleet = ? AND id = ?',
  )
  const listApps = db.prepare<[string], { id: string; created: number }>(
    'SELECT id, created FROM apps WHERE fleet = ? ORDER BY id',
  )
  const insertRelease = db.prepare(
    'INSERT INTO releases (fleet, app, number, digest, envelope, label, created, pending) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const nameContent = db.prepare(
    'INSERT INTO release_contents (fleet, digest, app, number) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  )
  const byNumber = db.prepare<[string, string, number], ReleaseRow>(
    'SELECT * FROM releases WHERE fleet = ? AND app = ? AND number = ?',
  )
  const byDigest = db.prepare<[string, string], ReleaseRow>('SELECT * FROM releases WHERE fleet = ? AND digest = ?')
  const listReleases = db.prepare<[string, string], ReleaseRow>(
    'SELECT * FROM releases WHERE fleet = ? AND app = ? ORDER BY number DESC',
  )
  const setEnvelope = db.prepare(
    'UPDATE releases SET envelope = ?, collecting = ?, pending = ? WHERE fleet = ? AND app = ? AND number = ?',
  )
  const contentsOf = db.prepare<[string, string, number], { digest: string }>(
    'SELECT digest FROM release_contents WHERE fleet = ? AND app = ? AND number = ?',
  )
  const removeRelease = db.prepare('DELETE FROM releases WHERE fleet = ? AND app = ? AND number = ?')
  const insertPlan = db.prepare(
    `INSERT INTO plans (fleet, app, epoch, release, json, created) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (fleet, app, epoch) DO UPDATE SET release = excluded.release, json = excluded.json, created = excluded.created`,
  )
  const getPlan = db.prepare<[string, string, number], PlanRow>(
    'SELECT * FROM plans WHERE fleet = ? AND app = ? AND epoch = ?',
  )
  const latestPlan = db.prepare<[string, string], PlanRow>(
    'SELECT * FROM plans WHERE fleet = ? AND app = ? ORDER BY epoch DESC LIMIT 1',
  )
  const latestEpoch = db.prepare<[string, string], { epoch: number | null }>(
    'SELECT max(epoch) AS epoch FROM plans WHERE fleet = ? AND app = ?',
  )
  const dropOldPlans = db.prepare('DELETE FROM plans WHERE fleet = ? AND app = ? AND epoch < ?')

  const addRelease = db.transaction((release: NewRelease): ReleaseRecord => {
    const { app, number, digest, envelope, label, createdAt, pending = false } = release
    const there = byNumber.get(fleet, app, number)
    if (there) {
      if (there.digest === digest) return toRelease(there)
      throw new HyphaError('store-conflict', `${app} has another release number ${number} already`)
    }
    insertApp.run(fleet, app, createdAt)
    const record = {
      app,
      number,
      digest,
      envelope: contents.put(envelope),
      label,
      createdAt,
      pending,
      collecting: null,
    }
    insertRelease.run(fleet, app, number, digest, record.envelope, label, createdAt, pending ? 1 : 0)
    for (const bytes of release.contents) nameContent.run(fleet, contents.put(bytes), app, number)
    return record
  })

  return {
    list: (): { id: string; createdAt: number }[] =>
      listApps.all(fleet).map(({ id, created }) => ({ id, createdAt: created })),
    has: (app: string): boolean => getApp.get(fleet, app) !== undefined,
    /** Keeps a release with all that it is made of, and enters its app; the same release again changes nothing. Throws `store-conflict`. */
    addRelease: (release: NewRelease): ReleaseRecord => addRelease.immediate(release),
    release(app: string, number: number): ReleaseRecord | null {
      const row = byNumber.get(fleet, app, number)
      return row ? toRelease(row) : null
    },
    releaseByDigest(digest: string): ReleaseRecord | null {
      const row = byDigest.get(fleet, digest)
      return row ? toRelease(row) : null
    },
    /** Those that may run, the newest first. */
    releases: (app: string): ReleaseRecord[] =>
      listReleases
        .all(fleet, app)
        .map(toRelease)
        .filter(({ pending }) => !pending),
    /** As `releases`, with those that wait for signatures. */
    allReleases: (app: string): ReleaseRecord[] => listReleases.all(fleet, app).map(toRelease),
    /** Digests of the components and core forms of a release. */
    contentsOf: (app: string, number: number): string[] =>
      contentsOf.all(fleet, app, number).map(({ digest }) => digest),
    /** The envelope in force of a release, the one that collects signatures, and whether it waits for them. */
    setEnvelope(
      app: string,
      number: number,
      to: { readonly envelope: Uint8Array; readonly collecting: Uint8Array | null; readonly pending: boolean },
    ): void {
      const collecting = to.collecting && contents.put(to.collecting)
      setEnvelope.run(contents.put(to.envelope), collecting, to.pending ? 1 : 0, fleet, app, number)
    },
    removeRelease: db.transaction((app: string, number: number): boolean => {
      const removed = removeRelease.run(fleet, app, number).changes > 0
      contents.removeUnused()
      return removed
    }),
    /** A plan that changed nothing on any node keeps the epoch, and replaces the one before. */
    addPlan({ app, epoch, release, json, createdAt }: PlanRecord): void {
      insertPlan.run(fleet, app, epoch, release, JSON.stringify(json), createdAt)
    },
    plan(app: string, epoch: number): PlanRecord | null {
      const row = getPlan.get(fleet, app, epoch)
      return row ? toPlan(row) : null
    },
    /** The plan in force: that with the highest epoch. */
    latestPlan(app: string): PlanRecord | null {
      const row = latestPlan.get(fleet, app)
      return row ? toPlan(row) : null
    },
    /** Its epoch, without the plan itself; null where there is none. */
    latestEpoch: (app: string): number | null => latestEpoch.get(fleet, app)!.epoch,
    removePlansBefore: (app: string, epoch: number): number => dropOldPlans.run(fleet, app, epoch).changes,
  }
}

export interface NewRelease extends Omit<ReleaseRecord, 'envelope' | 'pending' | 'collecting'> {
  /** The signed envelope itself. */
  readonly envelope: Uint8Array
  /** It waits for signatures: false where it isn't said. */
  readonly pending?: boolean
  /** Components and core forms. */
  readonly contents: readonly Uint8Array[]
}
