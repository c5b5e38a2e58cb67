import type { ContentStore } from './contents.ts'
import type { SeriesStore } from './series.ts'
import type { Database } from './sqlite.ts'

/**
 * Removing a node or an app with all that the store knows of it, the audit log apart. Rows of samples are only doomed here, for there may be millions; they can be
 * reached no more, and `sweep` removes them.
 */
export function createRemoval(db: Database, fleet: string, contents: ContentStore, series: SeriesStore) {
  const scoped = (tables: readonly string[], where: string) =>
    tables.map((table) => db.prepare(`DELETE FROM ${table} WHERE fleet = :fleet AND ${where}`))
  const doom = (where: string) => [
    db.prepare(`INSERT INTO doomed_series (fleet, id) SELECT fleet, id FROM series WHERE fleet = :fleet AND ${where}`),
    db.prepare(`DELETE FROM series WHERE fleet = :fleet AND ${where}`),
  ]
  // A plan that isn't in force any more goes with the node that it mentions; the one in force has to be replaced by the caller before.
  const plansWith = db.prepare(`DELETE FROM plans WHERE fleet = :fleet AND instr(json, '"' || :id || '"') > 0
    AND epoch < (SELECT max(epoch) FROM plans p WHERE p.fleet = plans.fleet AND p.app = plans.app)`)

  // The same goes for rollouts of before.
  const rolloutsWith = db.prepare(
    `DELETE FROM rollouts WHERE fleet = :fleet AND current = 0 AND instr(json, '"' || :id || '"') > 0`,
  )

  // What the gateway said of the placement of others tells of it, too. Ids have no character that a pattern would read otherwise.
  const eventsThatName =
    db.prepare(`DELETE FROM events WHERE fleet = :fleet AND code IN ('moved', 'handed-over', 'placed', 'unplaced', 'escalated', 'come-home')
    AND ' ' || text || ' ' GLOB '*[^a-z0-9-]' || :id || '[^a-z0-9-]*'`)

  const ofNode = [
    ...doom('(node = :id OR home = :id)'),
    ...scoped(['events', 'logs', 'inputs'], '(node = :id OR home = :id)'),
    ...scoped(['marks', 'input_counts', 'invites', 'settings', 'directives', 'carried', 'receipts'], 'node = :id'),
    ...scoped(['node_runs', 'sealed_secrets', 'board_sessions', 'passed_over'], 'node = :id'),
    ...scoped(['assignments', 'escalations'], '(node = :id OR home = :id)'),
    ...scoped(['departures'], '(node = :id OR home = :id)'),
    // Who had an instance stays known: its place is to be taken.
    ...scoped(['holders', 'checkpoints'], 'home = :id'),
    plansWith,
    rolloutsWith,
    eventsThatName,
    ...scoped(['nodes'], 'id = :id'),
  ]
  const ofApp = [
    ...doom('app = :id'),
    ...scoped(
      ['events', 'logs', 'inputs', 'settings', 'plans', 'rollouts', 'releases', 'app_epochs', 'carried', 'receipts'],
      'app = :id',
    ),
    ...scoped(['assignments', 'escalations', 'sealed_secrets'], 'app = :id'),
    ...scoped(['holders', 'checkpoints', 'departures'], 'app = :id'),
    ...scoped(['apps'], 'id = :id'),
  ]

  const remove = db.transaction((statements: typeof ofNode, id: string): boolean => {
    let last = 0
    for (const statement of statements) last = statement.run({ fleet, id }).changes
    contents.removeUnused()
    series.generation++
    return last > 0
  })

  return {
    /** False for a node that is not there; what was left of it is gone all the same. */
    node: (id: string): boolean => remove.immediate(ofNode, id),
    app: (id: string): boolean => remove.immediate(ofApp, id),
  }
}
