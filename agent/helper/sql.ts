import { constants, DatabaseSync, type StatementSync } from 'node:sqlite'
import { type SqlValue, valueFromJson, valueToJson, type WireValue } from '../host/sql-values.ts'

export interface Statement {
  readonly func: 'query' | 'execute'
  readonly statement: string
  readonly params: readonly WireValue[]
  /** A statement whose key was carried out already is not carried out again: it answers as it did then. */
  readonly key: string
}

export type Outcome =
  | { readonly columns: readonly string[]; readonly rows: readonly (readonly WireValue[])[] }
  | { readonly changes: string }
  | { readonly error: string }

/** The most that one query may answer, so that it fits into a module's turn. */
const maxRows = 10_000
const maxAnswerBytes = 1024 * 1024
// https://sqlite.org/limits.html: a value or a row can't be longer, so that a statement's memory is bounded by these and the page cache.
const limits = {
  length: 4 * 1024 * 1024,
  sqlLength: 1024 * 1024,
  attach: 0,
  exprDepth: 200,
  vdbeOp: 1_000_000,
  triggerDepth: 20,
}
const pageBytes = 4_096
/** Keys are only asked for again right after a failure. */
const keptKeys = 1_000

/** Pragmas that tell something of the app's own tables. */
const allowedPragmas: ReadonlySet<string> = new Set([
  'table_info',
  'table_xinfo',
  'index_list',
  'index_info',
  'foreign_key_list',
  'user_version',
])
const deniedFunctions: ReadonlySet<string> = new Set([
  'load_extension',
  'fts3_tokenizer',
  'readfile',
  'writefile',
  'edit',
])
const {
  SQLITE_OK,
  SQLITE_DENY,
  SQLITE_ATTACH,
  SQLITE_DETACH,
  SQLITE_PRAGMA,
  SQLITE_FUNCTION,
  SQLITE_TRANSACTION,
  SQLITE_SAVEPOINT,
  SQLITE_CREATE_VTABLE,
} = constants

/** One app's database. Never throws for what a statement does: the error is its answer. */
export function openDatabase(file: string, maxBytes: number): { run(statement: Statement): Outcome; close(): void } {
  const database = new DatabaseSync(file, { allowExtension: false, limits })
  database.exec(`
    PRAGMA page_size = ${pageBytes};
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA temp_store = FILE;
    PRAGMA trusted_schema = OFF;
    PRAGMA foreign_keys = ON;
    PRAGMA max_page_count = ${Math.max(16, Math.floor(maxBytes / pageBytes))};
    CREATE TABLE IF NOT EXISTS hypha_done (key TEXT PRIMARY KEY, changes TEXT NOT NULL) STRICT;
  `)
  database.enableDefensive?.(true)
  // What this file says itself is allowed; what a module says is looked at, statement by statement, as SQLite compiles it.
  let own = true
  database.setAuthorizer((action, first, second) => (own || isAllowed(action, first, second) ? SQLITE_OK : SQLITE_DENY))
  const done = database.prepare('SELECT changes FROM hypha_done WHERE key = ?')
  const mark = database.prepare('INSERT INTO hypha_done (key, changes) VALUES (?, ?)')
  const forget = database.prepare('DELETE FROM hypha_done WHERE rowid < (SELECT max(rowid) FROM hypha_done) - ?')
  own = false

  /** Runs a module's statement; the authorizer is asked as it is compiled, and again if the tables have changed by the time it runs. */
  function query({ statement, params }: Statement): Outcome {
    const prepared = prepare(database, statement)
    const columns = prepared.columns().map(({ name }) => name)
    prepared.setReadBigInts(true)
    prepared.setReturnArrays(true)
    const rows: WireValue[][] = []
    let bytes = 0
    for (const row of prepared.iterate(...bind(params)) as Iterable<unknown>) {
      const values = (row as Column[]).map(fromColumn)
      for (const [, text] of values) bytes += 8 + (text?.length ?? 0)
      rows.push(values)
      if (rows.length > maxRows || bytes > maxAnswerBytes) {
        return {
          error: `the query answers more than ${maxRows} rows or ${maxAnswerBytes} bytes: ask for less with LIMIT`,
        }
      }
    }
    return { columns, rows }
  }

  function execute({ statement, params, key }: Statement): Outcome {
    const before = asOwn(() => done.get(key)) as { changes: string } | undefined
    if (before !== undefined) return { changes: before.changes }
    const changes = String(prepare(database, statement).run(...bind(params)).changes)
    asOwn(() => {
      const { lastInsertRowid } = mark.run(key, changes)
      if (Number(lastInsertRowid) % 100 === 0) forget.run(keptKeys)
    })
    return { changes }
  }

  function asOwn<T>(run: () => T): T {
    own = true
    try {
      return run()
    } finally {
      own = false
    }
  }

  return {
    run(statement) {
      try {
        asOwn(() => database.exec('BEGIN IMMEDIATE'))
        const outcome = statement.func === 'query' ? query(statement) : execute(statement)
        asOwn(() => database.exec('error' in outcome ? 'ROLLBACK' : 'COMMIT'))
        return outcome
      } catch (error) {
        asOwn(() => {
          if (database.isTransaction) database.exec('ROLLBACK')
        })
        return { error: (error as Error).message.slice(0, 1_000) }
      }
    },
    close: () => database.close(),
  }
}

function isAllowed(action: number, first: string | null, second: string | null): boolean {
  if (first?.toLowerCase().startsWith('hypha_') || second?.toLowerCase().startsWith('hypha_')) return false
  switch (action) {
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
      return false
    case SQLITE_PRAGMA:
      return allowedPragmas.has(first ?? '') && (first !== 'user_version' || second === null)
    case SQLITE_FUNCTION:
      return !deniedFunctions.has(second ?? '')
    case SQLITE_CREATE_VTABLE:
      return /^(fts5|rtree)$/i.test(second ?? '')
    default:
      return true
  }
}

/** SQLite compiles the first statement of a text and leaves the rest: a text of several is refused. */
function prepare(database: DatabaseSync, text: string): StatementSync {
  const prepared = database.prepare(text)
  const rest = text.slice(prepared.sourceSQL.length).replace(/--[^\n]*(\n|$)|\/\*[\s\S]*?(\*\/|$)|[\s;]/g, '')
  if (rest !== '') throw new Error('one statement at a time: there is text after the first one')
  return prepared
}

type Column = null | bigint | number | string | Uint8Array

function bind(params: readonly WireValue[]): Column[] {
  return params.map((param) => {
    const value = valueFromJson(param)
    return value.tag === 'null' ? null : value.val
  })
}

function fromColumn(column: Column): WireValue {
  return valueToJson(toSqlValue(column))
}

function toSqlValue(column: Column): SqlValue {
  if (column === null) return { tag: 'null' }
  if (typeof column === 'bigint') return { tag: 'integer', val: column }
  if (typeof column === 'number') return { tag: 'real', val: column }
  if (typeof column === 'string') return { tag: 'text', val: column }
  return { tag: 'blob', val: column }
}
