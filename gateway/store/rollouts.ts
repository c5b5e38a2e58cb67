import { type Database, plainBytesOrNull } from './sqlite.ts'

/** One rollout. What it is about is plain JSON, which this folder doesn't look into. */
export interface StoredRollout<T> {
  readonly app: string
  /** Rises with each rollout of the app. */
  readonly id: number
  /** Nodes are directed by it. */
  readonly current: boolean
  readonly value: T
  /** The last commit that was signed for it; null before the first. */
  readonly commit: Uint8Array | null
}

interface Row {
  readonly app: string
  readonly id: number
  readonly current: number
  readonly json: string
  readonly commit_envelope: Uint8Array | null
}

/** History is for people: what is older than this many rollouts of an app is in the audit log. */
const kept = 50

/** Rollouts by app. What is read must not be changed. */
export function createRollouts<T>(db: Database, fleet: string) {
  const put =
    db.prepare(`INSERT INTO rollouts (fleet, app, id, current, json, commit_envelope) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (fleet, app, id) DO UPDATE SET current = excluded.current, json = excluded.json,
    commit_envelope = excluded.commit_envelope`)
  const list = db.prepare<[string, string], Row>('SELECT * FROM rollouts WHERE fleet = ? AND app = ? ORDER BY id DESC')
  const current = db.prepare<[string], Row>('SELECT * FROM rollouts WHERE fleet = ? AND current = 1 ORDER BY app')
  const currentOf = db.prepare<[string, string], Row>(
    'SELECT * FROM rollouts WHERE fleet = ? AND app = ? AND current = 1',
  )
  const newest = db.prepare<[string, string], Row>(
    'SELECT * FROM rollouts WHERE fleet = ? AND app = ? ORDER BY id DESC LIMIT 1',
  )
  const committed = db.prepare<[string, string], Row>(
    'SELECT * FROM rollouts WHERE fleet = ? AND app = ? AND commit_envelope IS NOT NULL ORDER BY id DESC LIMIT 1',
  )
  const drop = db.prepare('DELETE FROM rollouts WHERE fleet = ? AND app = ? AND id <= ? AND current = 0')
  /** Asked at each word of each node, and large in a large fleet: one that says the same isn't read again. */
  const lastRead = new Map<string, { readonly json: string; readonly value: T }>()
  function parsed({ app, json }: Row): T {
    const last = lastRead.get(app)
    if (last?.json === json) return last.value
    const value = JSON.parse(json) as T
    lastRead.set(app, { json, value })
    return value
  }
  const read = (row: Row): StoredRollout<T> => ({
    app: row.app,
    id: row.id,
    current: row.current === 1,
    value: parsed(row),
    commit: plainBytesOrNull(row.commit_envelope),
  })

  return {
    /** Writes one down; the app must be entered. At most one of an app is current. */
    put({ app, id, current: isCurrent, value, commit }: StoredRollout<T>): void {
      put.run(fleet, app, id, isCurrent ? 1 : 0, JSON.stringify(value), commit)
      drop.run(fleet, app, id - kept)
    },
    /** The number of the app's next one. */
    nextId: (app: string): number => (newest.get(fleet, app)?.id ?? 0) + 1,
    newest(app: string): StoredRollout<T> | null {
      const row = newest.get(fleet, app)
      return row ? read(row) : null
    },
    /** The newest first. */
    list: (app: string): StoredRollout<T>[] => list.all(fleet, app).map(read),
    /** Those that nodes are directed by, of all apps. */
    current: (): StoredRollout<T>[] => current.all(fleet).map(read),
    currentOf(app: string): StoredRollout<T> | null {
      const row = currentOf.get(fleet, app)
      return row ? read(row) : null
    },
    /** The app's newest for which a commit was signed. */
    committed(app: string): StoredRollout<T> | null {
      const row = committed.get(fleet, app)
      return row ? read(row) : null
    },
  }
}
