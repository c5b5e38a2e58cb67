import type { MetaStore } from './meta.ts'
import { type Database, orEmpty, orNull, plainBytes } from './sqlite.ts'

/** An instance on a node, to which inputs go. */
export interface InputTarget {
  readonly node: string
  readonly app: string
  readonly module: string
  readonly home: string | null
}

export interface NewInput extends InputTarget {
  /** Relative to the app. */
  readonly topic: string
  readonly payload: Uint8Array
  readonly queuedAt: number
  /** The device of the instance that published it; left out for none. */
  readonly publisher?: string
}

export interface InputRecord extends NewInput {
  readonly number: number
  /** When the node gave it up; null while it waits. */
  readonly failedAt: number | null
}

interface Row {
  node: string
  number: number
  app: string
  module: string
  home: string
  topic: string
  payload: Uint8Array
  queued: number
  failed: number | null
  publisher: string
}

const fromRow = (row: Row): InputRecord => ({
  node: row.node,
  number: row.number,
  app: row.app,
  module: row.module,
  home: orNull(row.home),
  topic: row.topic,
  payload: plainBytes(row.payload),
  queuedAt: row.queued,
  failedAt: row.failed,
  ...(row.publisher === '' ? {} : { publisher: row.publisher }),
})

/** What waits for modules' inboxes. An input goes when its node has reported it as handled; one that failed stays to be looked at. */
export function createInputs(db: Database, fleet: string, meta: MetaStore, maxWaiting = 10_000) {
  const insert =
    db.prepare(`INSERT INTO inputs (fleet, node, number, app, module, home, topic, payload, queued, publisher)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const pending = db.prepare<[string, string, number, number], Row>(
    'SELECT * FROM inputs WHERE fleet = ? AND node = ? AND number > ? AND failed IS NULL ORDER BY number LIMIT ?',
  )
  const waitingFor = db.prepare<
    unknown[],
    Row
  >(`SELECT * FROM inputs WHERE fleet = ? AND node = ? AND app = ? AND module = ? AND home = ?
    AND number > ? AND failed IS NULL ORDER BY number LIMIT ?`)
  const targets = db.prepare<[string, string], Pick<Row, 'node' | 'app' | 'module' | 'home'>>(
    'SELECT DISTINCT node, app, module, home FROM inputs WHERE fleet = ? AND node = ? AND failed IS NULL',
  )
  const count = db.prepare<[string, string], { waiting: number }>(
    'SELECT waiting FROM input_counts WHERE fleet = ? AND node = ?',
  )
  const countOf = (node: string): number => count.get(fleet, node)?.waiting ?? 0
  const failed = db.prepare<[string, number], Row>(
    'SELECT * FROM inputs WHERE fleet = ? AND failed IS NOT NULL ORDER BY number DESC LIMIT ?',
  )
  const failedCount = db.prepare<[string, string], { count: number }>(
    'SELECT count(*) AS count FROM inputs WHERE fleet = ? AND node = ? AND failed IS NOT NULL',
  )
  const one = 'fleet = ? AND node = ? AND number = ? AND app = ? AND module = ? AND home = ?'
  const done = db.prepare(`DELETE FROM inputs WHERE ${one}`)
  const fail = db.prepare(`UPDATE inputs SET failed = ? WHERE ${one}`)
  const move = db.prepare(
    'UPDATE inputs SET node = ? WHERE fleet = ? AND node = ? AND app = ? AND module = ? AND home = ? AND failed IS NULL',
  )
  const moveAbove = db.prepare(
    `UPDATE inputs SET node = :to WHERE fleet = :fleet AND app = :app AND module = :module AND home = :home
    AND number > :above AND node <> :to AND failed IS NULL`,
  )
  const drop = db.prepare('DELETE FROM inputs WHERE fleet = ? AND node = ? AND app = ? AND module = ? AND home = ?')

  return {
    /**
     * Keeps an input and gives its number. Numbers rise over the whole fleet and follow the clock, 64 a millisecond: a database restored from a backup
     * doesn't give one again that a node has seen since, which would then be passed over as a repetition. Null if as many wait for this node as may: newer ones find no room.
     */
    add(input: NewInput): InputRecord | null {
      const { node, app, module, home, topic, payload, queuedAt, publisher } = input
      if (countOf(node) >= maxWaiting) return null
      const number = meta.next('input', queuedAt * 64)
      insert.run(fleet, node, number, app, module, orEmpty(home), topic, payload, queuedAt, publisher ?? '')
      return { ...input, number, failedAt: null }
    },
    /** Those that wait for a node, after a number, in order. */
    pending: (node: string, after = 0, limit = 256): InputRecord[] =>
      pending.all(fleet, node, after, limit).map(fromRow),
    /** Those that wait for one instance, after a number, in order. */
    waitingFor: ({ node, app, module, home }: InputTarget, after: number, limit: number): InputRecord[] =>
      waitingFor.all(fleet, node, app, module, orEmpty(home), after, limit).map(fromRow),
    /** The instances on a node for which something waits. */
    targets: (node: string): InputTarget[] =>
      targets.all(fleet, node).map((row) => ({ ...row, home: orNull(row.home) })),
    /** How many wait for a node. */
    count: countOf,
    /** The node is done with an input. False for one that isn't this instance's. */
    handled({ node, app, module, home }: InputTarget, number: number, outcome: 'ok' | 'failed', at: number): boolean {
      const which = [fleet, node, number, app, module, orEmpty(home)]
      return (outcome === 'ok' ? done.run(...which) : fail.run(at, ...which)).changes > 0
    },
    /** How many of a node's were given up. */
    failedCount: (node: string): number => failedCount.get(fleet, node)!.count,
    failed: (limit = 100): InputRecord[] => failed.all(fleet, limit).map(fromRow),
    /** The instance runs on another node now: what waits for it goes there, under the same numbers. */
    move: ({ node, app, module, home }: InputTarget, to: string): number =>
      move.run(to, fleet, node, app, module, orEmpty(home)).changes,
    /** The same wherever they wait: those above a number, for up to it they are handled. */
    moveAbove: ({ node: to, app, module, home }: InputTarget, above: number): number =>
      moveAbove.run({ fleet, to, app, module, home: orEmpty(home), above }).changes,
    /** The instance is no more. */
    drop: ({ node, app, module, home }: InputTarget): number =>
      drop.run(fleet, node, app, module, orEmpty(home)).changes,
  }
}
