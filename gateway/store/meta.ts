import { randomBytes } from 'node:crypto'
import { type Database, plainBytes } from './sqlite.ts'

/** Small facts about the gateway itself, and counters that never give a number twice. */
export function createMeta(db: Database, fleet: string) {
  const get = db.prepare<[string, string], { value: string | number | Uint8Array }>(
    'SELECT value FROM meta WHERE fleet = ? AND key = ?',
  )
  const put = db.prepare(
    'INSERT INTO meta (fleet, key, value) VALUES (?, ?, ?) ON CONFLICT (fleet, key) DO UPDATE SET value = excluded.value',
  )
  const putNew = db.prepare('INSERT INTO meta (fleet, key, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
  const remove = db.prepare('DELETE FROM meta WHERE fleet = ? AND key = ?')
  const raise = db.prepare<
    [string, string, number],
    { value: number }
  >(`INSERT INTO meta (fleet, key, value) VALUES (?, ?, ?)
    ON CONFLICT (fleet, key) DO UPDATE SET value = max(value + 1, excluded.value) RETURNING value`)

  putNew.run(fleet, 'source', randomBytes(8))
  const source = plainBytes(get.get(fleet, 'source')!.value as Uint8Array)

  return {
    /** 8 random bytes made with this database: the source of the inputs that it numbers. */
    source,
    get(key: string): string | number | Uint8Array | null {
      const row = get.get(fleet, key)
      if (!row) return null
      return row.value instanceof Uint8Array ? plainBytes(row.value) : row.value
    },
    put: (key: string, value: string | number | Uint8Array): void => void put.run(fleet, key, value),
    remove: (key: string): void => void remove.run(fleet, key),
    /** The next number of a counter: over the last one, and at least `atLeast`. */
    next: (counter: string, atLeast = 1): number => raise.get(fleet, `counter ${counter}`, atLeast)!.value,
  }
}

export type MetaStore = ReturnType<typeof createMeta>
