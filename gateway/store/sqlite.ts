import { HyphaError } from '@hypha/core/errors.ts'
import Sqlite from 'better-sqlite3'

export type Database = Sqlite.Database

export interface DatabaseOptions {
  /**
   * What a commit waits for. `FULL`: the write-ahead log is synced, so that what the gateway acknowledged survives a power cut; nodes delete what was
   * acknowledged, so nobody could send it again. `NORMAL`: only checkpoints sync; a killed process loses nothing, a power cut the last commits. Since ingest commits
   * thousands of samples at once, FULL costs it a few per cent (bench/ingest.ts prints both), and is the default.
   */
  readonly synchronous?: 'FULL' | 'NORMAL'
  /** How long a statement waits for another process that holds the database. */
  readonly busyTimeoutMs?: number
  /** Called with each statement that runs: for tests and for looking into a slow gateway. */
  readonly trace?: (sql: string) => void
}

/** Pages of the log between checkpoints: 16 MB, so that a page which many commits touch is copied into the file once. */
const checkpointPages = 4_000

/** Opens or creates a database file with Hypha's settings. Throws `store-unusable`. */
export function openDatabase(path: string, options: DatabaseOptions = {}): Database {
  const { synchronous = 'FULL', busyTimeoutMs = 5_000, trace } = options
  try {
    const verbose = trace === undefined ? {} : { verbose: (sql?: unknown) => trace(String(sql)) }
    const db = new Sqlite(path, { timeout: busyTimeoutMs, ...verbose })
    db.pragma('journal_mode = WAL')
    db.pragma(`synchronous = ${synchronous}`)
    db.pragma('foreign_keys = ON')
    db.pragma(`wal_autocheckpoint = ${checkpointPages}`)
    db.pragma('cache_size = -32768')
    return db
  } catch (cause) {
    throw new HyphaError('store-unusable', `The database ${path} can't be opened: ${(cause as Error).message}`, {
      where: path,
      cause,
    })
  }
}

/** A view of a blob as plain bytes: nothing outside this folder sees a Buffer. */
export const plainBytes = (blob: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(blob)

export const plainBytesOrNull = (blob: Uint8Array | null): Uint8Array<ArrayBuffer> | null =>
  blob === null ? null : plainBytes(blob)

/** "No home" and "every node" as they stand in keys: SQLite holds two nulls in a unique index for different. */
export const orEmpty = (name: string | null): string => name ?? ''
export const orNull = (name: string): string | null => (name === '' ? null : name)
