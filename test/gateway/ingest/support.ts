import { createIngest, type Ingest, type IngestOptions, type IngestSinks } from '../../../gateway/ingest/ingest.ts'
import type { Store } from '../../../gateway/store/store.ts'
import { ByteWriter } from '../../../src/bytes/writer.ts'
import { type Ack, ack } from '../../../src/wire/messages/ack.ts'
import { type Report, type ReportEntry, report } from '../../../src/wire/messages/report.ts'
import { t0 } from '../store/support.ts'

export const incarnation = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])

export const instance = { app: 'greenhouse', module: 'sampler', home: 'pi-7' }

/** One entry of a journal: a sample of a metric, or anything else. */
export type Entry =
  | { readonly metric: string; readonly value: number; readonly at: number; readonly epoch?: number }
  | { readonly entry: ReportEntry; readonly at: number }

/** A report as an agent packs it: `entries` have the numbers from `first` on; null stands for one that was dropped. */
export function packReport(first: number, entries: readonly (Entry | null)[], over: Partial<Report> = {}): Report {
  const columns = { series: new ByteWriter(), offset: new ByteWriter(), at: new ByteWriter(), value: new ByteWriter() }
  const series: Report['series'][number][] = []
  const others: Report['entries'][number][] = []
  const baseMs = Math.min(t0, ...entries.map((entry) => entry?.at ?? t0))
  for (const [offset, entry] of entries.entries()) {
    if (!entry) continue
    if ('entry' in entry) {
      others.push({ offset, at: entry.at - baseMs, entry: entry.entry })
      continue
    }
    const { metric, value, at, epoch = 1 } = entry
    let which = series.findIndex((known) => known.metric === metric && known.epoch === epoch)
    if (which < 0) which = series.push({ ...instance, metric, epoch }) - 1
    columns.series.u16(which)
    columns.offset.u16(offset)
    columns.at.u32(at - baseMs)
    columns.value.f64(value)
  }
  const samples = {
    series: columns.series.finish(),
    offset: columns.offset.finish(),
    at: columns.at.finish(),
    value: columns.value.finish(),
  }
  const none = { after: null, pausedMs: null }
  return { incarnation, first, count: entries.length, baseMs, series, samples, ...none, entries: others, ...over }
}

export const packed = (first: number, entries: readonly (Entry | null)[], over: Partial<Report> = {}): Uint8Array =>
  report.encode(packReport(first, entries, over))

export const message = (topic: string, payload: Uint8Array, at = t0): Entry => ({
  at,
  entry: { kind: 'message', ...instance, topic, payload, served: null },
})

export const sample = (value: number, at = t0 + value, metric = 'temperature'): Entry => ({ metric, value, at })

type Told = { [K in keyof IngestSinks]: Parameters<IngestSinks[K]>[] }

/** An ingest that remembers what it told, and takes in at once what it is given. */
export function testIngest(store: Store, options: Partial<IngestOptions> = {}) {
  const told: Told = {
    ack: [],
    values: [],
    messages: [],
    events: [],
    logs: [],
    handled: [],
    queued: [],
    state: [],
    presence: [],
    unwelcome: [],
    failed: [],
  }
  const sinks = Object.fromEntries(
    Object.entries(told).map(([name, calls]) => [name, (...call: never[]) => void (calls as unknown[]).push(call)]),
  ) as unknown as IngestSinks
  const ingest: Ingest = createIngest({
    store,
    sinks,
    route: () => [],
    mayReport: () => true,
    runsNow: () => true,
    now: () => t0 + 1_000_000,
    ...options,
  })
  return {
    ingest,
    told,
    /** Takes in a report and gives what it was acknowledged with. */
    take(bytes: Uint8Array, node = 'pi-7'): Ack | null {
      const before = told.ack.length
      ingest.onReport(node, bytes)
      ingest.flush()
      const last = told.ack.slice(before).at(-1)
      return last ? ack.decode(last[1]) : null
    },
    codes: () => told.events.flatMap(([events]) => events.map(({ code }) => code)),
  }
}

/** Values of all stored samples in order of time. */
export const storedValues = (store: Store): number[] =>
  store.series.history({}, { from: 0, to: t0 * 2, limit: 100_000 }).map(({ value }) => value)
