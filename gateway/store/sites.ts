import { createForwarded } from './forwarded.ts'
import type { RetentionPolicy } from './retention.ts'
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

/** Sites of a fleet, with what they have forwarded. */
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
  const remove = db.prepare('DELETE FROM sites WHERE fleet = ? AND name = ?')
  const forwarded = createForwarded(db, fleet)
  const { telemetry } = forwarded
  const names = () => list.all(fleet).map(({ name }) => name)

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
      const removed = db.transaction(() => {
        forwarded.wipe(site)
        dropInvites.run(fleet, site, '')
        return remove.run(fleet, site).changes > 0
      })()
      await forwarded.sweep(site)
      return removed
    },
    /** What sites have forwarded, and how far that is stored. */
    hello: forwarded.hello,
    take: forwarded.take,
    telemetry,
    listen: forwarded.listen,
    async retain(now: number, policy: RetentionPolicy): Promise<void> {
      for (const name of names()) await telemetry(name).retain(now, policy)
    },
    rollUp(now: number): void {
      for (const name of names()) telemetry(name).rollups.step(now)
    },
  }
}

export type SiteStore = ReturnType<typeof createSites>
