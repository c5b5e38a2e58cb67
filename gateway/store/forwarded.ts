import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { ForwardBatch } from '@hypha/core/wire/messages/forward.ts'
import { createEvents, createLogs, type EventRecord, type LogRecord } from './records.ts'
import { createRetention } from './retention.ts'
import { createRollups, minuteMs } from './rollups.ts'
import { createSeries } from './series.ts'
import type { Database } from './sqlite.ts'

type Sample = Pick<ForwardBatch['series'][number], 'app' | 'module' | 'home' | 'metric' | 'node'> & {
  readonly at: number
  readonly value: number
}

/** What was new in a batch of a site's. */
export interface Taken {
  readonly upTo: number
  /** Samples of series beyond what one site may have: they are not stored. */
  readonly refused: number
  /** Of each series the newest. */
  readonly values: readonly Sample[]
  readonly events: readonly EventRecord[]
  readonly logs: readonly LogRecord[]
}

interface Progress {
  readonly incarnation: Uint8Array | null
  readonly cursor: number
  readonly overlap: number
}

const maxSeriesPerSite = 50_000

/** What sites have forwarded to a fleet's gateway: the same tables as its own, under a name of each site. */
export function createForwarded(db: Database, fleet: string) {
  const get = db.prepare<[string, string], Progress>(
    'SELECT incarnation, cursor, overlap FROM sites WHERE fleet = ? AND name = ?',
  )
  const begin = db.prepare('UPDATE sites SET incarnation = ?, cursor = ?, overlap = ? WHERE fleet = ? AND name = ?')
  const advance = db.prepare('UPDATE sites SET cursor = ?, forwarded = ? WHERE fleet = ? AND name = ?')
  const insertSample = db.prepare<[number, number, number, number]>('INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?)')
  const sameEvent = db.prepare<
    unknown[],
    object
  >(`SELECT 1 FROM events WHERE fleet = ? AND at = ? AND node IS ? AND app IS ?
    AND module IS ? AND home IS ? AND code = ? AND text = ?`)
  const sameLog = db.prepare<unknown[], object>(`SELECT 1 FROM logs WHERE fleet = ? AND at = ? AND node = ? AND app = ?
    AND module = ? AND home IS ? AND level = ? AND text = ?`)
  const countSeries = db.prepare<[string], { n: number }>('SELECT count(*) AS n FROM series WHERE fleet = ?')
  const wipe = [
    'INSERT INTO doomed_series (fleet, id) SELECT fleet, id FROM series WHERE fleet = ?',
    ...['series', 'events', 'logs'].map((table) => `DELETE FROM ${table} WHERE fleet = ?`),
  ].map((sql) => db.prepare(sql))
  const listeners = new Map<string, ((taken: Taken) => void)[]>()

  const parts = new Map<string, SiteTelemetry>()
  const telemetry = (site: string): SiteTelemetry => {
    const known = parts.get(site)
    if (known) return known
    const made = openTelemetry(db, `${fleet}/${site}`)
    parts.set(site, made)
    return made
  }

  /** Stores samples; how many could not be, and of each series the newest that is new. */
  function takeSamples(site: string, batch: ForwardBatch): Pick<Taken, 'refused' | 'values'> {
    const { fleet: scope, series } = telemetry(site)
    // Counted only where there is a new one.
    let room: number | null = null
    const ids = batch.series.map((key) => {
      const known = series.find(key)
      if (known !== null) return known
      room ??= maxSeriesPerSite - countSeries.get(scope)!.n
      return room-- > 0 ? series.add(key) : null
    })
    const stale = new Set<string>()
    const newest = new Map<number, Sample>()
    let refused = 0
    for (const { series: index, at, seq, value } of batch.samples) {
      const id = ids[index]
      if (id === null || id === undefined) {
        refused++
        continue
      }
      // The same sample has the same key: whatever was set back, it is here once.
      if (insertSample.run(id, at, seq, value).changes === 0) continue
      const { app, module, home, metric, node } = batch.series[index]!
      if (at >= (newest.get(id)?.at ?? 0)) newest.set(id, { app, module, home, metric, node, at, value })
      const minute = at - (at % minuteMs)
      if (!stale.has(`${id} ${minute}`)) series.markStale(id, minute)
      stale.add(`${id} ${minute}`)
    }
    return { refused, values: [...newest.values()] }
  }

  const take = db.transaction(
    (site: string, incarnation: Uint8Array, batch: ForwardBatch, now: number): Taken | null => {
      const row = get.get(fleet, site)
      if (!row?.incarnation || !bytesEqual(row.incarnation, incarnation)) return null
      if (batch.after !== row.cursor || batch.upTo <= batch.after) return null
      const { fleet: scope, ...records } = telemetry(site)
      const samples = takeSamples(site, batch)
      const events = batch.events.flatMap(({ number, ...event }) => {
        const { at, node, app, module, home, code, text } = event
        const isThere = number <= row.overlap && sameEvent.get(scope, at, node, app, module, home, code, text)
        return isThere ? [] : [records.events.add(event)]
      })
      const logs = batch.logs.flatMap(({ number, ...log }) => {
        const { at, node, app, module, home, level, text } = log
        const isThere = number <= row.overlap && sameLog.get(scope, at, node, app, module, home, level, text)
        return isThere ? [] : [records.logs.add(log)]
      })
      advance.run(batch.upTo, now, fleet, site)
      return { upTo: batch.upTo, ...samples, events, logs }
    },
  )

  const hello = db.transaction((site: string, incarnation: Uint8Array, start: number, now: number): number | null => {
    const row = get.get(fleet, site)
    if (row === undefined) return null
    if (row.incarnation === null || !bytesEqual(row.incarnation, incarnation)) {
      begin.run(incarnation, start, Math.max(row.cursor, row.overlap), fleet, site)
      return start
    }
    if (start <= row.cursor) return row.cursor
    const text = `${start - row.cursor} rows that ${site} has forwarded are not here: this gateway's database was set back`
    telemetry(site).events.add({ at: now, node: null, app: null, module: null, home: null, code: 'site-gap', text })
    begin.run(incarnation, start, row.overlap, fleet, site)
    return start
  })

  return {
    telemetry,
    /**
     * What is stored of a site's outbox: the number that is to come after. An incarnation that isn't known begins at `start`; where rows before `start` were acknowledged and aren't here, an
     * event says how many. Null where there is no such site. [P 14.8]
     */
    hello: (site: string, incarnation: Uint8Array, start: number, now: number): number | null =>
      hello.immediate(site, incarnation, start, now),
    /** Stores a batch together with the cursor; null, and nothing stored, where there is no such site or it doesn't follow on what is stored. [P 14.7] */
    take(site: string, incarnation: Uint8Array, batch: ForwardBatch, now: number): Taken | null {
      const taken = take.immediate(site, incarnation, batch, now)
      if (taken !== null) for (const tell of listeners.get(site) ?? []) tell(taken)
      return taken
    },
    /** To be told from now on of what a site has forwarded, after it is stored. */
    listen: (site: string, tell: (taken: Taken) => void): void =>
      void listeners.set(site, [...(listeners.get(site) ?? []), tell]),
    /** All that a site has forwarded; `sweep` deletes its samples afterwards, a few at a time. */
    wipe(site: string): void {
      for (const statement of wipe) statement.run(telemetry(site).fleet)
    },
    async sweep(site: string): Promise<void> {
      await telemetry(site).sweep()
      parts.delete(site)
    },
  }
}

function openTelemetry(db: Database, scope: string) {
  const series = createSeries(db, scope)
  const rollups = createRollups(db, scope)
  const { retain, sweep } = createRetention(db, scope, series, rollups)
  return { fleet: scope, series, rollups, events: createEvents(db, scope), logs: createLogs(db, scope), retain, sweep }
}

/** What one site has forwarded: to be read as the fleet's own is. */
type SiteTelemetry = ReturnType<typeof openTelemetry>
