import { type ForwardBatch, maxForwardRows, maxForwardText } from '@hypha/core/wire/messages/forward.ts'
import type { EventRecord, LogRecord } from './records.ts'
import type { SeriesRecord } from './series.ts'
import { type Database, orNull, plainBytes } from './sqlite.ts'

interface Row {
  id: number
  kind: number
  ref: number
  at: number
  seq: number
  value: number | null
}

/** About what fits into a frame beside the largest single row. */
const budgetBytes = 512 * 1024

/**
 * What a site has yet to forward: every sample, event and log line that is stored is also entered here, in the same transaction, as long as there is an upstream. Numbers only rise, and are
 * never given again. One gateway has one upstream at most.
 */
export function createOutbox(db: Database, fleet: string) {
  const read = db.prepare<[number, number], Row>('SELECT * FROM outbox WHERE id > ? ORDER BY id LIMIT ?')
  const remove = db.prepare('DELETE FROM outbox WHERE id <= ?')
  const bounds = db.prepare<[], { first: number | null; last: number | null }>(
    'SELECT min(id) AS first, max(id) AS last FROM outbox',
  )
  const given = db.prepare<[], { seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
  const active = db.prepare<[], object>("SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name = 'outbox_sample'")
  const seriesOf = db.prepare<
    [number],
    Omit<SeriesRecord, 'incarnation' | 'home'> & { home: string; incarnation: Uint8Array }
  >('SELECT * FROM series WHERE id = ?')
  const eventOf = db.prepare<[number], EventRecord>('SELECT * FROM events WHERE id = ?')
  const logOf = db.prepare<[number], LogRecord>('SELECT * FROM logs WHERE id = ?')

  return {
    /** From now on what is stored is entered. */
    open(): void {
      // An id of a fleet has no character that SQL would read otherwise.
      db.exec(`
CREATE TRIGGER IF NOT EXISTS outbox_sample AFTER INSERT ON samples WHEN (SELECT fleet FROM series WHERE id = new.series) = '${fleet}'
BEGIN INSERT INTO outbox (kind, ref, at, seq, value) VALUES (0, new.series, new.at, new.seq, new.value); END;
CREATE TRIGGER IF NOT EXISTS outbox_event AFTER INSERT ON events WHEN new.fleet = '${fleet}'
BEGIN INSERT INTO outbox (kind, ref) VALUES (1, new.id); END;
CREATE TRIGGER IF NOT EXISTS outbox_log AFTER INSERT ON logs WHEN new.fleet = '${fleet}'
BEGIN INSERT INTO outbox (kind, ref) VALUES (2, new.id); END;`)
    },
    /** Nothing is entered any more, and what waits is dropped. */
    close(): void {
      if (!this.active && this.waiting === 0) return
      db.exec(
        `DROP TRIGGER IF EXISTS outbox_sample; DROP TRIGGER IF EXISTS outbox_event; DROP TRIGGER IF EXISTS outbox_log; DELETE FROM outbox;`,
      )
    },
    get active(): boolean {
      return active.get() !== undefined
    },
    /** How many rows wait, at most: some numbers between may be missing. */
    get waiting(): number {
      const { first, last } = bounds.get()!
      return first === null || last === null ? 0 : last - first + 1
    },
    /** The lowest number that waits; the next one where none does. */
    get first(): number {
      return bounds.get()!.first ?? this.head + 1
    },
    /** The highest number that was ever given. */
    get head(): number {
      return given.get()?.seq ?? 0
    },
    /** Rows up to this one are done with. */
    forget: (upTo: number): number => remove.run(upTo).changes,
    /** The next rows; null where there are none. Rows of what was removed meanwhile are passed over. */
    batch(after: number, maxRows = maxForwardRows): ForwardBatch | null {
      const rows = read.all(after, maxRows)
      if (rows.length === 0) return null
      const series: ForwardBatch['series'][number][] = []
      const places = new Map<number, number | null>()
      const samples: ForwardBatch['samples'][number][] = []
      const events: ForwardBatch['events'][number][] = []
      const logs: ForwardBatch['logs'][number][] = []
      let [upTo, size] = [after, 0]
      const place = (id: number): number | null => {
        const known = places.get(id)
        if (known !== undefined) return known
        const found = seriesOf.get(id)
        places.set(id, found === undefined ? null : series.length)
        if (found === undefined) return null
        const { app, module, home, metric, node, incarnation, epoch } = found
        size += 200
        return (
          series.push({ app, module, home: orNull(home), metric, node, incarnation: plainBytes(incarnation), epoch }) -
          1
        )
      }
      for (const { id, kind, ref, at, seq, value } of rows) {
        if (size > budgetBytes) break
        upTo = id
        size += 40
        if (kind === 0) {
          const index = place(ref)
          // SQLite keeps NaN as null.
          if (index !== null) samples.push({ series: index, at, seq, value: value ?? Number.NaN })
          continue
        }
        const found = kind === 1 ? eventOf.get(ref) : logOf.get(ref)
        if (found === undefined) continue
        const { app, module, home } = found
        const text = found.text.slice(0, maxForwardText)
        size += 3 * text.length
        if (kind === 1) {
          const { node, code } = found as EventRecord
          events.push({ number: id, at: found.at, node, app, module: module || null, home: home || null, code, text })
        } else {
          const { node, level } = found as LogRecord
          logs.push({ number: id, at: found.at, node, app: app!, module: module!, home: home || null, level, text })
        }
      }
      return { after, upTo, series, samples, events, logs }
    },
  }
}
