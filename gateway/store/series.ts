import { type Database, orEmpty, orNull, plainBytes } from './sqlite.ts'

/** What a sample belongs to: one metric of one instance, as one journal of one node reported it under one epoch. */
export interface SeriesKey {
  readonly app: string
  readonly module: string
  readonly home: string | null
  readonly metric: string
  /** The node that ran the instance. */
  readonly node: string
  /** 8 bytes. */
  readonly incarnation: Uint8Array
  readonly epoch: number
}

export interface SeriesRecord extends SeriesKey {
  readonly id: number
}

/** Null or absent: any. A home of "" asks for instances without a home. */
export interface SeriesFilter {
  readonly app?: string | null
  readonly module?: string | null
  readonly home?: string | null
  readonly metric?: string | null
  readonly node?: string | null
}

interface Sample {
  readonly at: number
  readonly value: number
}

export interface LatestValue extends Sample, Omit<SeriesRecord, 'incarnation'> {}

interface Row {
  id: number
  app: string
  module: string
  home: string
  metric: string
  node: string
  incarnation: Uint8Array
  epoch: number
}

const fromRow = (row: Row): SeriesRecord => ({
  ...row,
  home: orNull(row.home),
  incarnation: plainBytes(row.incarnation),
})

const matching = `fleet = :fleet AND (:app IS NULL OR app = :app) AND (:module IS NULL OR module = :module)
  AND (:home IS NULL OR home = :home) AND (:metric IS NULL OR metric = :metric) AND (:node IS NULL OR node = :node)`

/** Parameters for `matching`. */
export const filterParameters = (fleet: string, filter: SeriesFilter) => {
  const { app = null, module = null, home = null, metric = null, node = null } = filter
  return { fleet, app, module, home, metric, node }
}

export const seriesMatching = matching

/** Series and their samples. Writing is meant for ingest, inside its transaction. */
export function createSeries(db: Database, fleet: string) {
  const keyed =
    'fleet = ? AND app = ? AND module = ? AND home = ? AND metric = ? AND node = ? AND incarnation = ? AND epoch = ?'
  const find = db.prepare<unknown[], { id: number }>(`SELECT id FROM series WHERE ${keyed}`)
  const insert = db.prepare(
    'INSERT INTO series (fleet, app, module, home, metric, node, incarnation, epoch) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const count = db.prepare<[string, string], { n: number }>(
    'SELECT count(*) AS n FROM series WHERE fleet = ? AND node = ?',
  )
  const list = db.prepare<[object], Row>(
    `SELECT * FROM series WHERE ${matching} ORDER BY app, module, home, metric, id LIMIT :limit`,
  )
  const insertSample = db.prepare<[number, number, number, number | null]>('INSERT INTO samples VALUES (?, ?, ?, ?)')
  const insertStale = db.prepare<[number, number]>('INSERT OR IGNORE INTO stale_minutes VALUES (?, ?)')
  const last = db.prepare<[number], { at: number; value: number | null }>(
    'SELECT at, value FROM samples WHERE series = ? ORDER BY at DESC, seq DESC LIMIT 1',
  )
  // A subquery for each series finds its newest by the key; max() over a join would read every sample.
  const lastAt = db.prepare<unknown[], { at: number | null }>(`SELECT max(at) AS at FROM
    (SELECT (SELECT max(at) FROM samples WHERE series = s.id) AS at FROM series s
     WHERE fleet = ? AND app = ? AND module = ? AND home = ? AND metric = ?)`)
  const history = db.prepare<[object], { at: number; value: number | null; node: string; epoch: number }>(
    `SELECT p.at, p.value, s.node, s.epoch FROM series s JOIN samples p ON p.series = s.id
     WHERE ${matching} AND p.at >= :from AND p.at < :to ORDER BY p.at, p.seq LIMIT :limit`,
  )

  const columnsOf = ({ app, module, home, metric, node, incarnation, epoch }: SeriesKey) => [
    fleet,
    app,
    module,
    orEmpty(home),
    metric,
    node,
    incarnation,
    epoch,
  ]

  return {
    /** Rises whenever series or apps were removed: who keeps ids in memory lets go of them then. */
    generation: 0,
    /** A series' id; null where there is none. */
    find: (key: SeriesKey): number | null => find.get(...columnsOf(key))?.id ?? null,
    /** The id of a new series. */
    add: (key: SeriesKey): number => Number(insert.run(...columnsOf(key)).lastInsertRowid),
    countOf: (node: string): number => count.get(fleet, node)!.n,
    /** `at` in ms since 1970, `seq` the number in the node's journal. */
    insertSample: (series: number, at: number, seq: number, value: number): void =>
      void insertSample.run(series, at, seq, value),
    /** The rollups don't know all samples of this minute (its beginning, in ms). */
    markStale: (series: number, minute: number): void => void insertStale.run(series, minute),
    list: (filter: SeriesFilter = {}, limit = 10_000): SeriesRecord[] =>
      list.all({ ...filterParameters(fleet, filter), limit }).map(fromRow),
    /** The last sample of each series that matches; of several runners of an instance the newest counts, or each by itself. */
    latest(filter: SeriesFilter = {}, limit = 10_000, of: 'instance' | 'runner' = 'instance'): LatestValue[] {
      const newest = new Map<string, LatestValue>()
      for (const { incarnation: _, ...key } of this.list(filter, limit)) {
        const sample = last.get(key.id)
        if (!sample) continue
        const runner = of === 'runner' ? key.node : ''
        const name = `${key.app}/${key.module}/${orEmpty(key.home)}/${key.metric}/${runner}`
        const before = newest.get(name)
        if (before && before.at > sample.at) continue
        newest.set(name, { ...key, at: sample.at, value: sample.value ?? Number.NaN })
      }
      return [...newest.values()]
    },
    /** Time of the newest sample of an instance's metric, whoever ran it; null where there is none. */
    lastAt: ({ app, module, home, metric }: Pick<SeriesKey, 'app' | 'module' | 'home' | 'metric'>): number | null =>
      lastAt.get(fleet, app, module, orEmpty(home), metric)!.at,
    /** Samples from `from` until before `to`, in order of time, over all series that match. */
    history(filter: SeriesFilter, range: { from: number; to: number; limit?: number }) {
      const { from, to, limit = 10_000 } = range
      return history
        .all({ ...filterParameters(fleet, filter), from, to, limit: Math.min(limit, 100_000) })
        .map((row) => ({ ...row, value: row.value ?? Number.NaN }))
    },
  }
}

export type SeriesStore = ReturnType<typeof createSeries>
