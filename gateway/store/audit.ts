import { type ChainedEntry, type ChainHead, chainHash, emptyHead } from '../audit-chain.ts'
import type { Database } from './sqlite.ts'

export interface AuditEntry {
  /** 1, 2, 3 … in this fleet. */
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

const maxBatch = 1_000

/**
 * Who did what. It is only ever added to, and outlives what it tells of: triggers refuse anything else, and a chain of hashes shows what was done to the file
 * behind their back.
 */
export function createAudit(db: Database, fleet: string) {
  const insert = db.prepare('INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
  const last = db.prepare<[string], ChainHead>(
    'SELECT number, hash FROM audit WHERE fleet = ? ORDER BY number DESC LIMIT 1',
  )
  const list = db.prepare<[string, number, number], ChainedEntry>(
    'SELECT * FROM audit WHERE fleet = ? AND number < ? ORDER BY number DESC LIMIT ?',
  )
  const chain = db.prepare<[string, number, number], ChainedEntry & { fleet: string }>(
    'SELECT * FROM audit WHERE fleet = ? AND number > ? ORDER BY number LIMIT ?',
  )
  // Together, since another gateway may write to the same database.
  const append = db.transaction((entry: Omit<AuditEntry, 'id'>) => {
    const { at, actor, action, subject } = entry
    const before = last.get(fleet) ?? emptyHead
    const number = before.number + 1
    const details = JSON.stringify(entry.details ?? null)
    const hash = chainHash(before.hash, fleet, { number, at, actor, action, subject, details })
    insert.run(fleet, number, at, actor, action, subject, details, hash)
  })
  return {
    add: (entry: Omit<AuditEntry, 'id'>): void => void append.immediate(entry),
    /** The newest first; `before` is the id of the last entry that was seen. */
    list: ({ before = Number.MAX_SAFE_INTEGER, limit = 100 } = {}): AuditEntry[] =>
      list.all(fleet, before, Math.min(limit, maxBatch)).map(({ number: id, at, actor, action, subject, details }) => {
        return { id, at, actor, action, subject, details: JSON.parse(details) }
      }),
    /** With what it takes to check the chain, the oldest first; `after` is the number of the last entry that was seen. */
    chain: ({ after = 0, limit = maxBatch } = {}): ChainedEntry[] =>
      chain.all(fleet, after, Math.min(limit, maxBatch)).map(({ fleet: _, ...entry }) => entry),
    head: (): ChainHead => last.get(fleet) ?? emptyHead,
  }
}
