import type { Database } from './sqlite.ts'

type Role = 'viewer' | 'publisher' | 'operator' | 'admin'

/** A token of the HTTP API; the token itself is kept nowhere. */
export interface TokenRecord {
  readonly name: string
  /** SHA-256 of the token, hex. */
  readonly digest: string
  readonly role: Role
  /** The apps that a publisher may publish; empty for other roles. */
  readonly apps: readonly string[]
  readonly createdAt: number
  readonly expiresAt: number | null
  /** Null before its first use. */
  readonly lastUsedAt: number | null
}

/** What a client that is no node may do: topic filters, written out from `hypha/` on. */
interface Grants {
  readonly read: readonly string[]
  readonly write: readonly string[]
}

/** An MQTT client that is no node. */
export interface ClientRecord {
  readonly name: string
  /** SHA-256 of its certificate's DER, hex. */
  readonly fingerprint: string
  readonly grants: Grants
  readonly createdAt: number
  readonly expiresAt: number
}

type TokenRow = {
  name: string
  digest: string
  role: Role
  apps: string
  created: number
  expires: number | null
  last_used: number | null
}
type ClientRow = { name: string; fingerprint: string; grants: string; created: number; expires: number }

const toToken = ({ name, digest, role, apps, created, expires, last_used }: TokenRow): TokenRecord => ({
  name,
  digest,
  role,
  apps: JSON.parse(apps) as string[],
  createdAt: created,
  expiresAt: expires,
  lastUsedAt: last_used,
})

const toClient = ({ name, fingerprint, grants, created, expires }: ClientRow): ClientRecord => ({
  name,
  fingerprint,
  grants: JSON.parse(grants) as Grants,
  createdAt: created,
  expiresAt: expires,
})

/** Tokens of the HTTP API. */
export function createTokens(db: Database, fleet: string) {
  const insert = db.prepare(
    'INSERT INTO tokens (fleet, name, digest, role, apps, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  )
  const find = db.prepare<[string, string], TokenRow>('SELECT * FROM tokens WHERE fleet = ? AND digest = ?')
  const list = db.prepare<[string], TokenRow>('SELECT * FROM tokens WHERE fleet = ? ORDER BY name')
  const use = db.prepare('UPDATE tokens SET last_used = ? WHERE fleet = ? AND name = ?')
  const remove = db.prepare('DELETE FROM tokens WHERE fleet = ? AND name = ?')
  return {
    /** False if the name is taken. */
    add: ({ name, digest, role, apps, createdAt, expiresAt }: Omit<TokenRecord, 'lastUsedAt'>): boolean =>
      insert.run(fleet, name, digest, role, JSON.stringify(apps), createdAt, expiresAt).changes > 0,
    /** Null also for one that has expired. */
    find(digest: string, now: number): TokenRecord | null {
      const row = find.get(fleet, digest)
      return row && (row.expires === null || row.expires > now) ? toToken(row) : null
    },
    used: (name: string, at: number): void => void use.run(at, fleet, name),
    list: (): TokenRecord[] => list.all(fleet).map(toToken),
    remove: (name: string): boolean => remove.run(fleet, name).changes > 0,
  }
}

/** MQTT clients that are no nodes. */
export function createClients(db: Database, fleet: string) {
  const put =
    db.prepare(`INSERT INTO clients (fleet, name, fingerprint, grants, created, expires) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (fleet, name) DO UPDATE SET fingerprint = excluded.fingerprint, grants = excluded.grants, expires = excluded.expires`)
  const get = db.prepare<[string, string], ClientRow>('SELECT * FROM clients WHERE fleet = ? AND name = ?')
  const list = db.prepare<[string], ClientRow>('SELECT * FROM clients WHERE fleet = ? ORDER BY name')
  const remove = db.prepare('DELETE FROM clients WHERE fleet = ? AND name = ?')
  return {
    put({ name, fingerprint, grants, createdAt, expiresAt }: ClientRecord): void {
      put.run(fleet, name, fingerprint, JSON.stringify(grants), createdAt, expiresAt)
    },
    get(name: string): ClientRecord | null {
      const row = get.get(fleet, name)
      return row ? toClient(row) : null
    },
    list: (): ClientRecord[] => list.all(fleet).map(toClient),
    remove: (name: string): boolean => remove.run(fleet, name).changes > 0,
  }
}
