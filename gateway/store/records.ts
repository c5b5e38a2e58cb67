import type { LogLevel } from '@hypha/core/wire/messages/report.ts'
import type { Database } from './sqlite.ts'

/** Something that happened on a node or at the gateway. */
export interface EventRecord {
  readonly id: number
  readonly at: number
  /** Null for the gateway itself. */
  readonly node: string | null
  readonly app: string | null
  readonly module: string | null
  readonly home: string | null
  readonly code: string
  readonly text: string
}

/** A line that a module wrote. */
export interface LogRecord {
  readonly id: number
  readonly at: number
  readonly node: string
  readonly app: string
  readonly module: string
  readonly home: string | null
  readonly level: LogLevel
  readonly text: string
}

/** The newest `limit` that match, oldest first; with `after` (an id) those that came since, to follow them. */
export interface RecordQuery {
  readonly after?: number
  readonly node?: string | null
  readonly app?: string | null
  readonly module?: string | null
  readonly limit?: number
}

const matching = `fleet = :fleet AND id > :after AND (:node IS NULL OR node = :node)
  AND (:app IS NULL OR app = :app) AND (:module IS NULL OR module = :module)`

function parameters(fleet: string, { after = 0, node = null, app = null, module = null, limit = 200 }: RecordQuery) {
  return { fleet, after, node, app, module, limit: Math.min(limit, 10_000) }
}

/** In order of id: the newest for a first look, the next ones when following. */
const query = (columns: string, table: string) => ({
  newest: `SELECT ${columns} FROM (SELECT * FROM ${table} WHERE ${matching} ORDER BY id DESC LIMIT :limit) ORDER BY id`,
  next: `SELECT ${columns} FROM ${table} WHERE ${matching} ORDER BY id LIMIT :limit`,
})

export function createEvents(db: Database, fleet: string) {
  const insert = db.prepare(
    'INSERT INTO events (fleet, at, node, app, module, home, code, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const text = query('id, at, node, app, module, home, code, text', 'events')
  const newest = db.prepare<[object], EventRecord>(text.newest)
  const next = db.prepare<[object], EventRecord>(text.next)
  return {
    add({ at, node, app, module, home, code, text }: Omit<EventRecord, 'id'>): EventRecord {
      const { lastInsertRowid } = insert.run(fleet, at, node, app, module, home, code, text)
      return { id: Number(lastInsertRowid), at, node, app, module, home, code, text }
    },
    list: (asked: RecordQuery = {}): EventRecord[] =>
      (asked.after === undefined ? newest : next).all(parameters(fleet, asked)),
  }
}

export function createLogs(db: Database, fleet: string) {
  const insert = db.prepare(
    'INSERT INTO logs (fleet, at, node, app, module, home, level, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const text = query('id, at, node, app, module, home, level, text', 'logs')
  const newest = db.prepare<[object], LogRecord>(text.newest)
  const next = db.prepare<[object], LogRecord>(text.next)
  return {
    add({ at, node, app, module, home, level, text }: Omit<LogRecord, 'id'>): LogRecord {
      const { lastInsertRowid } = insert.run(fleet, at, node, app, module, home, level, text)
      return { id: Number(lastInsertRowid), at, node, app, module, home, level, text }
    },
    list: (asked: RecordQuery = {}): LogRecord[] =>
      (asked.after === undefined ? newest : next).all(parameters(fleet, asked)),
  }
}
