import { filterParameters, type SeriesFilter, seriesMatching } from './series.ts'
import type { Database } from './sqlite.ts'

export const minuteMs = 60_000
export const hourMs = 3_600_000

/** Samples of one minute or hour together. NaN doesn't count; without a number, min, max and sum are null. */
export interface Rollup {
  /** The beginning, ms since 1970. */
  readonly at: number
  readonly min: number | null
  readonly max: number | null
  readonly sum: number | null
  readonly count: number
}

/** A minute is rolled up when it is over by this much: samples of one that still runs would make it stale again at once. */
const settleMs = 15_000

const columns = 'min(value) AS min, max(value) AS max, sum(value) AS sum, count(value) AS count'
const together = 'min(min) AS min, max(max) AS max, sum(sum) AS sum, coalesce(sum(count), 0) AS count'

const replace = (table: string) => `INSERT INTO ${table} VALUES (:series, :at, :min, :max, :sum, :count)
  ON CONFLICT (series, at) DO UPDATE SET min = excluded.min, max = excluded.max, sum = excluded.sum, count = excluded.count`

// min(a, NULL) is NULL in SQLite: each side stands in for the other where one is null.
const merge = (table: string) => `INSERT INTO ${table} VALUES (:series, :at, :min, :max, :sum, :count)
  ON CONFLICT (series, at) DO UPDATE SET min = min(coalesce(min, excluded.min), coalesce(excluded.min, min)),
  max = max(coalesce(max, excluded.max), coalesce(excluded.max, max)),
  sum = coalesce(sum + excluded.sum, sum, excluded.sum), count = count + excluded.count`

/**
 * Minutes and hours, computed in the background from the samples: ingest only marks a minute as stale, which costs it one small row per series and minute.
 * A minute is computed anew from its samples whenever late ones made it stale, so that doing it twice is doing it once.
 *
 * Below a series' raw floor the samples are gone: late ones are then added to what the rollups hold, and removed in the same transaction.
 */
export function createRollups(db: Database, fleet: string) {
  const pick = db.prepare<
    [string, number, number],
    { series: number; at: number; floor: number }
  >(`SELECT m.series, m.at, s.raw_floor AS floor
    FROM stale_minutes m JOIN series s ON s.id = m.series WHERE s.fleet = ? AND m.at < ? ORDER BY m.at LIMIT ?`)
  const summary = db.prepare<[number, number, number], Omit<Rollup, 'at'>>(
    `SELECT ${columns} FROM samples WHERE series = ? AND at >= ? AND at < ?`,
  )
  const ofMinutes = db.prepare<[number, number, number], Omit<Rollup, 'at'>>(
    `SELECT ${together} FROM minutes WHERE series = ? AND at >= ? AND at < ?`,
  )
  const [setMinute, setHour] = [db.prepare(replace('minutes')), db.prepare(replace('hours'))]
  const [addToMinute, addToHour] = [db.prepare(merge('minutes')), db.prepare(merge('hours'))]
  const dropSamples = db.prepare('DELETE FROM samples WHERE series = ? AND at >= ? AND at < ?')
  const floorOf = db.prepare<[string, number], { floor: number }>(
    'SELECT raw_floor AS floor FROM series WHERE fleet = ? AND id = ?',
  )
  const setFloor = db.prepare('UPDATE series SET raw_floor = ? WHERE fleet = ? AND id = ?')
  const staleBefore = db.prepare<[number, number], { at: number }>(
    'SELECT at FROM stale_minutes WHERE series = ? AND at < ?',
  )
  const fresh = db.prepare('DELETE FROM stale_minutes WHERE series = ? AND at = ?')
  const [minutes, hours] = ['minutes', 'hours'].map((table) =>
    db.prepare<[object], Rollup>(`SELECT r.at, ${together} FROM series s JOIN ${table} r ON r.series = s.id
      WHERE ${seriesMatching} AND r.at >= :from AND r.at < :to GROUP BY r.at ORDER BY r.at LIMIT :limit`),
  )

  function rollUp(series: number, at: number, rawFloor: number): void {
    const sums = summary.get(series, at, at + minuteMs)!
    const hour = at - (at % hourMs)
    if (at < rawFloor) {
      addToMinute.run({ series, at, ...sums })
      addToHour.run({ series, at: hour, ...sums })
      dropSamples.run(series, at, at + minuteMs)
    } else {
      setMinute.run({ series, at, ...sums })
      setHour.run({ series, at: hour, ...ofMinutes.get(series, hour, hour + hourMs)! })
    }
    fresh.run(series, at)
  }

  /** Rises whenever minutes were rolled up: who remembers to have marked one as stale must mark it again. */
  let round = 0

  /** Removes one series' samples before a whole minute, when the rollups know them all, and moves its raw floor there. */
  const dropBefore = db.transaction((series: number, before: number): number => {
    const { floor } = floorOf.get(fleet, series) ?? { floor: before }
    round++
    for (const { at } of staleBefore.all(series, before)) rollUp(series, at, floor)
    const { changes } = dropSamples.run(series, 0, before)
    if (floor < before) setFloor.run(before, fleet, series)
    return changes
  })

  return {
    get round(): number {
      return round
    },
    /** For retention: removes a series' samples before a whole minute; says how many. */
    dropBefore,
    /** Rolls up at most `max` stale minutes, the oldest first; says how many. */
    step: db.transaction((now: number, max = 500): number => {
      const stale = pick.all(fleet, now - minuteMs - settleMs, max)
      round++
      for (const { series, at, floor } of stale) rollUp(series, at, floor)
      return stale.length
    }),
    /** By minute or hour from `from` until before `to`, over all series that match. The running minute isn't in it yet. */
    history(
      filter: SeriesFilter,
      range: { from: number; to: number; by: 'minute' | 'hour'; limit?: number },
    ): Rollup[] {
      const { from, to, by, limit = 10_000 } = range
      const statement = by === 'minute' ? minutes! : hours!
      return statement.all({ ...filterParameters(fleet, filter), from, to, limit: Math.min(limit, 100_000) })
    },
  }
}

export type RollupStore = ReturnType<typeof createRollups>
