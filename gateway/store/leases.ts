import type { Database } from './sqlite.ts'

interface Row {
  readonly instance: string
  readonly node: string
  readonly for_ms: number
}

/** Who holds the lease of which instance. Renewals aren't written: only that another node has it. */
export function createLeases(db: Database, fleet: string) {
  const put = db.prepare(`INSERT INTO leases (fleet, instance, node, for_ms) VALUES (?, ?, ?, ?)
    ON CONFLICT (fleet, instance) DO UPDATE SET node = excluded.node, for_ms = excluded.for_ms`)
  const drop = db.prepare('DELETE FROM leases WHERE fleet = ? AND instance = ? AND node = ?')
  const list = db.prepare<[string], Row>('SELECT instance, node, for_ms FROM leases WHERE fleet = ?')

  return {
    put: (instance: string, node: string, forMs: number): void => void put.run(fleet, instance, node, forMs),
    drop: (instance: string, node: string): void => void drop.run(fleet, instance, node),
    list: (): { readonly name: string; readonly node: string; readonly forMs: number }[] =>
      list.all(fleet).map(({ instance, node, for_ms }) => ({ name: instance, node, forMs: for_ms })),
  }
}
