import type { Database } from './sqlite.ts'

/** An instance; a `module` of '' stands for any of the app's. */
export interface Assigned {
  readonly app: string
  readonly module: string
  readonly home: string | null
}

/** What a node was ever given: the instances that plans put on it, and the secrets that were sealed to it. It is kept with the node, and goes with it. */
export function createGiven(db: Database, fleet: string) {
  const assign = db.prepare('INSERT OR IGNORE INTO assignments (fleet, node, app, module, home) VALUES (?, ?, ?, ?, ?)')
  const instance = db.prepare(
    'SELECT 1 FROM assignments WHERE fleet = ? AND node = ? AND app = ? AND module = ? AND home = ?',
  )
  const anyOf = db.prepare('SELECT 1 FROM assignments WHERE fleet = ? AND node = ? AND app = ? LIMIT 1')
  const sealed = db.prepare('INSERT OR IGNORE INTO sealed_secrets (fleet, node, app, key) VALUES (?, ?, ?, ?)')
  const secrets = db.prepare<[string, string], { app: string; key: string }>(
    'SELECT app, key FROM sealed_secrets WHERE fleet = ? AND node = ? ORDER BY app, key',
  )
  return {
    assign: (node: string, { app, module, home }: Assigned): void =>
      void assign.run(fleet, node, app, module, home ?? ''),
    /** Whether a plan, of today or of before, put the instance on the node. */
    wasAssigned: (node: string, { app, module, home }: Assigned): boolean =>
      (module === '' ? anyOf.get(fleet, node, app) : instance.get(fleet, node, app, module, home ?? '')) !== undefined,
    sealedTo: (node: string, app: string, key: string): void => void sealed.run(fleet, node, app, key),
    /** Secrets that the node could read at some time. */
    secretsOf: (node: string): { app: string; key: string }[] => secrets.all(fleet, node),
  }
}
