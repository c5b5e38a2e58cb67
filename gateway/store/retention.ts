import { setImmediate } from 'node:timers/promises'
import { hourMs, minuteMs, type RollupStore } from './rollups.ts'
import type { SeriesStore } from './series.ts'
import type { Database } from './sqlite.ts'

/** How long what is kept, in days. Raw samples at most as long as minutes, minutes at most as long as hours. */
export interface RetentionPolicy {
  readonly rawDays: number
  readonly minuteDays: number
  readonly hourDays: number
  readonly logDays: number
  readonly eventDays: number
}

export const defaultRetention: RetentionPolicy = {
  rawDays: 14,
  minuteDays: 90,
  hourDays: 730,
  logDays: 30,
  eventDays: 365,
}

const dayMs = 24 * hourMs

/** Rows removed between two turns of the event loop: about 10 ms. */
const stepRows = 5_000

type Remove = (series: number, before: number) => number

/**
 * Removes what is too old, and the rows of series that are gone, in steps between which the gateway goes on with its work. A crash in the middle costs
 * nothing: the next call goes on.
 */
export function createRetention(db: Database, fleet: string, series: SeriesStore, rollups: RollupStore) {
  const nextSeries = db.prepare<[string, number], { id: number }>(
    'SELECT id FROM series WHERE fleet = ? AND id > ? ORDER BY id LIMIT 1',
  )
  const doomed = db.prepare<[string], { id: number }>('SELECT id FROM doomed_series WHERE fleet = ? LIMIT 1')
  const forgetDoomed = db.prepare('DELETE FROM doomed_series WHERE fleet = ? AND id = ?')
  // A DELETE with LIMIT isn't compiled in: the time of the n-th row bounds it instead.
  const cutter = (table: string) => ({
    nth: db.prepare<[number, number, number], { at: number }>(
      `SELECT at FROM ${table} WHERE series = ? AND at < ? ORDER BY at LIMIT 1 OFFSET ?`,
    ),
    remove: db.prepare(`DELETE FROM ${table} WHERE series = ? AND at < ?`),
  })
  const tables = { samples: cutter('samples'), minutes: cutter('minutes'), hours: cutter('hours') }
  const stale = db.prepare('DELETE FROM stale_minutes WHERE series = ?')
  const recordCutters = ['events', 'logs'].map((table) =>
    db.prepare(`DELETE FROM ${table} WHERE fleet = ? AND id IN
      (SELECT id FROM ${table} WHERE fleet = ? AND at < ? ORDER BY at LIMIT ${stepRows})`),
  )
  const failedInputs = db.prepare('DELETE FROM inputs WHERE fleet = ? AND failed < ?')
  const emptySeries = db.prepare(`DELETE FROM series WHERE fleet = ?
    AND NOT EXISTS (SELECT 1 FROM samples WHERE series = series.id) AND NOT EXISTS (SELECT 1 FROM stale_minutes m WHERE m.series = series.id)
    AND NOT EXISTS (SELECT 1 FROM minutes m WHERE m.series = series.id) AND NOT EXISTS (SELECT 1 FROM hours h WHERE h.series = series.id)`)

  /** Removes rows of one series before a time, a step at a time; `remove` does one step. */
  async function cut(table: keyof typeof tables, id: number, before: number, remove: Remove): Promise<number> {
    for (let removed = 0; ; ) {
      const bound = tables[table].nth.get(id, before, stepRows)?.at
      // The minute of that row goes as a whole, so that each step gets on.
      removed += remove(id, bound === undefined ? before : Math.min(before, bound - (bound % minuteMs) + minuteMs))
      if (bound === undefined) return removed
      await setImmediate()
    }
  }

  const removeFrom =
    (table: keyof typeof tables): Remove =>
    (id, before) =>
      tables[table].remove.run(id, before).changes

  const floorOf = (now: number, days: number) => Math.floor((now - days * dayMs) / hourMs) * hourMs

  async function sweep(): Promise<number> {
    let removed = 0
    for (let next = doomed.get(fleet); next; next = doomed.get(fleet)) {
      for (const table of ['samples', 'minutes', 'hours'] as const)
        removed += await cut(table, next.id, Number.MAX_SAFE_INTEGER, removeFrom(table))
      stale.run(next.id)
      forgetDoomed.run(fleet, next.id)
    }
    return removed
  }

  return {
    /** Removes the rows of series whose node or app was removed; says how many. */
    sweep,
    /** Removes what is older than the policy allows; `now` in ms. Says how many rows went. */
    async retain(now: number, policy: RetentionPolicy = defaultRetention): Promise<number> {
      // Whole hours: a rollup is computed from all of its parts or none.
      const floors = {
        samples: floorOf(now, policy.rawDays),
        minutes: floorOf(now, Math.max(policy.minuteDays, policy.rawDays)),
        hours: floorOf(now, Math.max(policy.hourDays, policy.minuteDays, policy.rawDays)),
      }
      let removed = await sweep()
      for (let next = nextSeries.get(fleet, 0); next; next = nextSeries.get(fleet, next.id)) {
        removed += await cut('samples', next.id, floors.samples, rollups.dropBefore)
        for (const table of ['minutes', 'hours'] as const) {
          removed += await cut(table, next.id, floors[table], removeFrom(table))
        }
        await setImmediate()
      }
      const days = [policy.eventDays, policy.logDays]
      for (const [index, statement] of recordCutters.entries()) {
        for (let changes = stepRows; changes === stepRows; await setImmediate()) {
          changes = statement.run(fleet, fleet, now - days[index]! * dayMs).changes
          removed += changes
        }
      }
      removed += failedInputs.run(fleet, now - policy.eventDays * dayMs).changes
      if (emptySeries.run(fleet).changes > 0) series.generation++
      return removed
    },
  }
}
