import type { Database } from './sqlite.ts'

/** That an instance may not be on a node, or might not until it was lifted. Times are ms since 1970. */
export interface EscalationRecord {
  readonly app: string
  readonly module: string
  readonly home: string | null
  readonly node: string
  readonly cause: string
  readonly text: string
  /** Digest of the release that failed, hex; null where the node was to blame. */
  readonly release: string | null
  readonly since: number
  readonly until: number
  readonly times: number
  /** Null while it holds. */
  readonly liftedAt: number | null
}

type Row = Omit<EscalationRecord, 'home' | 'liftedAt'> & { readonly home: string; readonly lifted: number | null }

const fromRow = ({ home, lifted, ...row }: Row): EscalationRecord => ({
  ...row,
  home: home === '' ? null : home,
  liftedAt: lifted,
})

export function createEscalations(db: Database, fleet: string) {
  const put = db.prepare(`INSERT INTO escalations
    (fleet, app, module, home, node, cause, text, release, since, until, times, lifted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (fleet, app, module, home, node) DO UPDATE SET cause = excluded.cause, text = excluded.text,
    release = excluded.release, since = excluded.since, until = excluded.until, times = excluded.times, lifted = excluded.lifted`)
  const columns = 'app, module, home, node, cause, text, release, since, until, times, lifted'
  const order = 'ORDER BY app, module, home, node'
  const list = db.prepare<[string], Row>(`SELECT ${columns} FROM escalations WHERE fleet = ? ${order}`)
  const inForce = db.prepare<[string, string], Row>(
    `SELECT ${columns} FROM escalations WHERE fleet = ? AND app = ? AND lifted IS NULL ${order}`,
  )
  const prune = db.prepare('DELETE FROM escalations WHERE fleet = ? AND lifted < ?')

  return {
    /** Writes one down; the app and the node must be entered. */
    put: ({ app, module, home, node, cause, text, release, since, until, times, liftedAt }: EscalationRecord): void =>
      void put.run(fleet, app, module, home ?? '', node, cause, text, release, since, until, times, liftedAt),
    /** Of all apps, with those that were lifted lately. */
    list: (): EscalationRecord[] => list.all(fleet).map(fromRow),
    /** Those of an app that hold. */
    inForce: (app: string): EscalationRecord[] => inForce.all(fleet, app).map(fromRow),
    /** Forgets those that were lifted before. */
    prune: (before: number): void => void prune.run(fleet, before),
  }
}
