import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { expect } from 'vitest'
import { eventually, type Fleet } from '../support/fleet.ts'
import { lastValue } from './support.ts'

// What a gateway's database has of what modules emitted.

interface Row {
  readonly value: number
  readonly times: number
}

/** What is asked of a gateway's database, while it runs. */
export function askStore<T>(fleet: Fleet, ask: (db: Sqlite.Database) => T): T {
  const db = new Sqlite(join(fleet.folder, 'hypha/gateway/hypha.db'), { readonly: true })
  try {
    return ask(db)
  } finally {
    db.close()
  }
}

/** Every value that was stored of a metric, and how often. */
export const storedValues = (fleet: Fleet, app: string, metric: string): Row[] =>
  askStore(fleet, (db) =>
    db
      .prepare<[string, string, string], Row>(
        `SELECT value, count(*) AS times FROM samples JOIN series ON series.id = samples.series
        WHERE fleet = ? AND app = ? AND metric = ? GROUP BY value ORDER BY value`,
      )
      .all(fleet.name, app, metric),
  )

/** Waits until all that an app's modules have `said`, as 1, 2, 3, …, was `heard`; each must have been once. `last` says more where it wasn't. */
export async function allHeardOnce(fleet: Fleet, app: string, last: () => string = () => ''): Promise<void> {
  const { value: upTo } = await lastValue(fleet, { app, metric: 'said' })
  const missing = () => {
    const heard = new Set(storedValues(fleet, app, 'heard').map(({ value }) => value))
    return Array.from({ length: upTo }, (_, index) => index + 1).filter((number) => !heard.has(number))
  }
  await eventually(
    `${upTo} to be heard`,
    () => missing().length === 0 || undefined,
    60_000,
    () => `; missing are ${missing().join(', ')}${last()}`,
  )
  expect(storedValues(fleet, app, 'heard').filter(({ times }) => times !== 1)).toEqual([])
}
