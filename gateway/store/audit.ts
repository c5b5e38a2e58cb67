import type { Database } from './sqlite.ts'

export interface AuditEntry {
  readonly id: number
  readonly at: number
  /** Who: "local", a token's name, "gateway". */
  readonly actor: string
  /** What: "node.remove", "app.push". */
  readonly action: string
  /** On what: a node, an app, a token's name. */
  readonly subject: string
  readonly details: unknown
}

type Row = Omit<AuditEntry, 'details'> & { details: string }

/** Who did what. It is only ever added to, and outlives what it tells of; triggers refuse anything else. */
export function createAudit(db: Database, fleet: string) {
  const insert = db.prepare('INSERT INTO audit (fleet, at, actor, action, subject, details) VALUES (?, ?, ?, ?, ?, ?)')
  const list = db.prepare<[string, number, number], Row>(
    'SELECT id, at, actor, action, subject, details FROM audit WHERE fleet = ? AND id < ? ORDER BY id DESC LIMIT ?',
  )
  return {
    add: ({ at, actor, action, subject, details }: Omit<AuditEntry, 'id'>): void =>
      void insert.run(fleet, at, actor, action, subject, JSON.stringify(details ?? null)),
    /** The newest first; `before` is the id of the last entry that was seen. */
    list: ({ before = Number.MAX_SAFE_INTEGER, limit = 100 } = {}): AuditEntry[] =>
      list.all(fleet, before, Math.min(limit, 1_000)).map((row) => ({ ...row, details: JSON.parse(row.details) })),
  }
}
