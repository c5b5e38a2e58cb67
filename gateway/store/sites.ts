import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { ForwardBatch } from '@hypha/core/wire/messages/forward.ts'
import { createEvents, createLogs } from './records.ts'
import { createRetention, type RetentionPolicy } from './retention.ts'
import { createRollups, minuteMs } from './rollups.ts'
import { createSeries } from './series.ts'
import { type Database, plainBytesOrNull } from './sqlite.ts'

/** A gateway that has joined this one, or is invited to. Times in ms since 1970. */
export interface SiteRecord {
  readonly name: string
  readonly createdAt: number
  /** What the agent that runs for it here may give to modules. */
  readonly memoryBytes: number
  /** Ed25519; null until it has joined. */
  readonly publicKey: Uint8Array | null
  readonly joinedAt: number | null
  readonly certificateExpiresAt: number | null
  readonly revokedAt: number | null
  /** When it left by itself. */
  readonly leftAt: number | null
  readonly incarnation: Uint8Array | null
  /** Rows of its outbox up to this number are stored here. */
  readonly cursor: number
  readonly forwardedAt: number | null
}

interface Row {
  name: string
  created: number
  memory: number
  public_key: Uint8Array | null
  joined: number | null
  certificate_expires: number | null
  revoked: number | null
  gone: number | null
  incarnation: Uint8Array | null
  cursor: number
  overlap: number
  forwarded: number | null
}

export interface SiteInvite {
  /** SHA-256 of the token, lower-case hex. */
  readonly tokenDigest: string
  readonly site: string
  readonly expiresAt: number
  /** Of who has used it. */
  readonly publicKey: Uint8Array | null
}

/** What of a site's batch could not be stored as it came. */
export interface Taken {
  readonly upTo: number
  /** Samples of series beyond what one site may have. */
  readonly refused: number
}

const maxSeriesPerSite = 50_000

const fromRow = (row: Row): SiteRecord => ({
  name: row.name,
  createdAt: row.created,
  memoryBytes: row.memory,
  publicKey: plainBytesOrNull(row.public_key),
  joinedAt: row.joined,
  certificateExpiresAt: row.certificate_expires,
  revokedAt: row.revoked,
  leftAt: row.gone,
  incarnation: plainBytesOrNull(row.incarnation),
  cursor: row.cursor,
  forwardedAt: row.forwarded,
})

/** Sites of a fleet, and what they have forwarded. */
export function createSites(db: Database, fleet: string) {
  const list = db.prepare<[string], Row>('SELECT * FROM sites WHERE fleet = ? ORDER BY name')
  const get = db.prepare<[string, string], Row>('SELECT * FROM sites WHERE fleet = ? AND name = ?')
  const add = db.prepare(
    `INSERT INTO sites (fleet, name, created, memory) VALUES (?, ?, ?, ?) ON CONFLICT (fleet, name) DO UPDATE SET memory = excluded.memory`,
  )
  const addInvite = db.prepare('INSERT INTO site_invites (fleet, token_digest, site, expires) VALUES (?, ?, ?, ?)')
  const findInvite = db.prepare<
    [string, string],
    { token_digest: string; site: string; expires: number; public_key: Uint8Array | null }
  >('SELECT * FROM site_invites WHERE fleet = ? AND token_digest = ?')
  const useInvite = db.prepare(
    'UPDATE site_invites SET public_key = ? WHERE fleet = ? AND token_digest = ? AND public_key IS NULL',
  )
  const dropInvites = db.prepare('DELETE FROM site_invites WHERE fleet = ? AND site = ? AND token_digest <> ?')
  const join = db.prepare(
    'UPDATE sites SET public_key = ?, joined = ?, certificate_expires = ?, revoked = NULL, gone = NULL WHERE fleet = ? AND name = ?',
  )
  const certify = db.prepare('UPDATE sites SET certificate_expires = ? WHERE fleet = ? AND name = ?')
  const revoke = db.prepare('UPDATE sites SET revoked = ? WHERE fleet = ? AND name = ? AND revoked IS NULL')
  const leave = db.prepare('UPDATE sites SET gone = ?, public_key = NULL WHERE fleet = ? AND name = ?')
  const begin = db.prepare('UPDATE sites SET incarnation = ?, cursor = ?, overlap = ? WHERE fleet = ? AND name = ?')
  const advance = db.prepare('UPDATE sites SET cursor = ?, forwarded = ? WHERE fleet = ? AND name = ?')
  const remove = db.prepare('DELETE FROM sites WHERE fleet = ? AND name = ?')
  const insertSample = db.prepare<[number, number, number, number]>('INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?)')
  const sameEvent = db.prepare<
    unknown[],
    object
  >(`SELECT 1 FROM events WHERE fleet = ? AND at = ? AND node IS ? AND app IS ?
    AND module IS ? AND home IS ? AND code = ? AND text = ?`)
  const sameLog = db.prepare<unknown[], object>(`SELECT 1 FROM logs WHERE fleet = ? AND at = ? AND node = ? AND app = ?
    AND module = ? AND home IS ? AND level = ? AND text = ?`)
  const countSeries = db.prepare<[string], { n: number }>('SELECT count(*) AS n FROM series WHERE fleet = ?')
  const wipe = [
    'INSERT INTO doomed_series (fleet, id) SELECT fleet, id FROM series WHERE fleet = ?',
    ...['series', 'events', 'logs'].map((table) => `DELETE FROM ${table} WHERE fleet = ?`),
  ].map((sql) => db.prepare(sql))

  const parts = new Map<string, SiteTelemetry>()
  const telemetry = (site: string): SiteTelemetry => {
    const known = parts.get(site)
    if (known) return known
    const made = openTelemetry(db, `${fleet}/${site}`)
    parts.set(site, made)
    return made
  }
  const names = () => list.all(fleet).map(({ name }) => name)

  /** Null where there is no such site, or the batch isn't the one that follows. */
  const take = db.transaction(
    (site: string, incarnation: Uint8Array, batch: ForwardBatch, now: number): Taken | null => {
      const row = get.get(fleet, site)
      if (!row?.incarnation || !bytesEqual(row.incarnation, incarnation)) return null
      if (batch.after !== row.cursor || batch.upTo <= batch.after) return null
      const { fleet: scope, series, events, logs } = telemetry(site)
      // Counted only where there is a new one.
      let room: number | null = null
      const ids = batch.series.map((key) => {
        const known = series.find(key)
        if (known !== null) return known
        room ??= maxSeriesPerSite - countSeries.get(scope)!.n
        return room-- > 0 ? series.add(key) : null
      })
      const stale = new Set<string>()
      let refused = 0
      for (const { series: index, at, seq, value } of batch.samples) {
        const id = ids[index]
        if (id === null || id === undefined) {
          refused++
          continue
        }
        // The same sample has the same key: whatever was set back, it is here once.
        if (insertSample.run(id, at, seq, value).changes === 0) continue
        const minute = at - (at % minuteMs)
        if (!stale.has(`${id} ${minute}`)) series.markStale(id, minute)
        stale.add(`${id} ${minute}`)
      }
      for (const { number, ...event } of batch.events) {
        const { at, node, app, module, home, code, text } = event
        if (number <= row.overlap && sameEvent.get(scope, at, node, app, module, home, code, text)) continue
        events.add(event)
      }
      for (const { number, ...log } of batch.logs) {
        const { at, node, app, module, home, level, text } = log
        if (number <= row.overlap && sameLog.get(scope, at, node, app, module, home, level, text)) continue
        logs.add(log)
      }
      advance.run(batch.upTo, now, fleet, site)
      return { upTo: batch.upTo, refused }
    },
  )

  /** Throws nothing; false where there is no such site. */
  const hello = db.transaction((site: string, incarnation: Uint8Array, start: number, now: number): number | null => {
    const row = get.get(fleet, site)
    if (row === undefined) return null
    if (row.incarnation === null || !bytesEqual(row.incarnation, incarnation)) {
      begin.run(incarnation, start, Math.max(row.cursor, row.overlap), fleet, site)
      return start
    }
    if (start <= row.cursor) return row.cursor
    const text = `${start - row.cursor} rows that ${site} has forwarded are not here: this gateway's database was set back`
    telemetry(site).events.add({ at: now, node: null, app: null, module: null, home: null, code: 'site-gap', text })
    begin.run(incarnation, start, row.overlap, fleet, site)
    return start
  })

  return {
    list: (): SiteRecord[] => list.all(fleet).map(fromRow),
    get(name: string): SiteRecord | null {
      const row = get.get(fleet, name)
      return row ? fromRow(row) : null
    },
    /** A new site or, with its history, one that is there. */
    invite(invite: Omit<SiteInvite, 'publicKey'>, memoryBytes: number, now: number): void {
      db.transaction(() => {
        add.run(fleet, invite.site, now, memoryBytes)
        addInvite.run(fleet, invite.tokenDigest, invite.site, invite.expiresAt)
      }).immediate()
    },
    findInvite(tokenDigest: string): SiteInvite | null {
      const row = findInvite.get(fleet, tokenDigest)
      if (!row) return null
      const publicKey = plainBytesOrNull(row.public_key)
      return { tokenDigest: row.token_digest, site: row.site, expiresAt: row.expires, publicKey }
    },
    /** False where somebody else was faster. Other invitations for the site are void. */
    redeem: db.transaction(
      (
        tokenDigest: string,
        site: string,
        publicKey: Uint8Array,
        now: number,
        certificateExpiresAt: number,
      ): boolean => {
        if (useInvite.run(publicKey, fleet, tokenDigest).changes === 0) return false
        dropInvites.run(fleet, site, tokenDigest)
        return join.run(publicKey, now, certificateExpiresAt, fleet, site).changes > 0
      },
    ),
    certified: (site: string, expiresAt: number): void => void certify.run(expiresAt, fleet, site),
    revoke: db.transaction((site: string, now: number): boolean => {
      dropInvites.run(fleet, site, '')
      return revoke.run(now, fleet, site).changes > 0
    }),
    left: (site: string, now: number): void => void leave.run(now, fleet, site),
    /** The site with all that it has forwarded. */
    async remove(site: string): Promise<boolean> {
      const scope = telemetry(site)
      const removed = db.transaction(() => {
        for (const statement of wipe) statement.run(scope.fleet)
        dropInvites.run(fleet, site, '')
        return remove.run(fleet, site).changes > 0
      })()
      await scope.sweep()
      parts.delete(site)
      return removed
    },
    /**
     * What is stored of a site's outbox: the number that is to come after. An incarnation that isn't known begins at `start`; where rows before `start` were acknowledged and aren't here, an
     * event says how many. Null where there is no such site. [P 14.8]
     */
    hello: (site: string, incarnation: Uint8Array, start: number, now: number): number | null =>
      hello.immediate(site, incarnation, start, now),
    /** Stores a batch together with the cursor; null, and nothing stored, unless it follows on what is stored. [P 14.7] */
    take: (site: string, incarnation: Uint8Array, batch: ForwardBatch, now: number): Taken | null =>
      take.immediate(site, incarnation, batch, now),
    telemetry,
    async retain(now: number, policy: RetentionPolicy): Promise<void> {
      for (const name of names()) await telemetry(name).retain(now, policy)
    },
    rollUp(now: number): void {
      for (const name of names()) telemetry(name).rollups.step(now)
    },
  }
}

export type SiteStore = ReturnType<typeof createSites>

function openTelemetry(db: Database, scope: string) {
  const series = createSeries(db, scope)
  const rollups = createRollups(db, scope)
  const { retain, sweep } = createRetention(db, scope, series, rollups)
  return { fleet: scope, series, rollups, events: createEvents(db, scope), logs: createLogs(db, scope), retain, sweep }
}

/** What one site has forwarded: to be read as the fleet's own is. */
export type SiteTelemetry = ReturnType<typeof openTelemetry>
