import { toUtf8 } from '@hypha/core/bytes/text.ts'
import { type Report, type ReportEntry, report, type Series } from '@hypha/core/wire/messages/report.ts'
import type { InstanceKey } from '../turns.ts'
import type { Cursor } from './cursor.ts'

/** The caps of src/wire/messages/report.ts. */
const maxNumbers = 8_192
const maxSeries = 2_048
const maxSpanMs = 0xffff_ffff

/** What a message's own fields take, and an entry's, at most; ids have up to 40 bytes. */
const messageBytes = 200
const entryBytes = 170
const servedBytes = 90

export interface Batch {
  /** Sequence numbers of its first and its last entry. */
  readonly first: number
  readonly last: number
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** Fills reports from the journal. Its columns are used again for each. */
export class BatchBuilder {
  readonly #incarnation: Uint8Array
  readonly #maxBytes: number
  readonly #seriesOf = new DataView(new ArrayBuffer(2 * maxNumbers))
  readonly #offsets = new DataView(new ArrayBuffer(2 * maxNumbers))
  readonly #ats = new Float64Array(maxNumbers)
  readonly #values = new DataView(new ArrayBuffer(8 * maxNumbers))

  constructor(incarnation: Uint8Array, maxBytes: number) {
    this.#incarnation = incarnation
    this.#maxBytes = maxBytes
  }

  /** The next report from where the cursor stands, null where nothing may be sent yet. `after` is the last number of the one before. */
  next(cursor: Cursor, after: number): Batch | null {
    const start = cursor.peek()
    if (!start) return null
    const first = start.sequence
    const series: Series[] = []
    const known = new Map<InstanceKey, Map<string, number>>()
    const others: { offset: number; atMs: number; entry: ReportEntry }[] = []
    let [samples, bytes, last] = [0, messageBytes, first]
    let [earliest, latest] = [start.atMs, start.atMs]

    for (let next: typeof start | null = start; next; next = cursor.peek()) {
      const offset = next.sequence - first
      const [from, to] = [Math.min(earliest, next.atMs), Math.max(latest, next.atMs)]
      if (offset >= maxNumbers || to - from > maxSpanMs) break
      if (next.kind === 'sample') {
        const metrics = known.get(next.instance) ?? new Map<string, number>()
        let index = metrics.get(next.metric)
        const cost = 16 + (index === undefined ? entryBytes : 0)
        if (bytes + cost > this.#maxBytes && last > first) break
        if (index === undefined) {
          if (series.length === maxSeries) break
          index = series.length
          const { app, module, home } = next.instance
          series.push({ app, module, home, metric: next.metric, epoch: next.epoch })
          known.set(next.instance, metrics.set(next.metric, index))
        }
        bytes += cost
        this.#seriesOf.setUint16(2 * samples, index, true)
        this.#offsets.setUint16(2 * samples, offset, true)
        this.#ats[samples] = next.atMs
        this.#values.setFloat64(8 * samples, next.value, true)
        samples++
      } else {
        const cost = entryBytes + sizeOf(next.entry)
        if (bytes + cost > this.#maxBytes && offset > 0) break
        bytes += cost
        others.push({ offset, atMs: next.atMs, entry: next.entry })
      }
      earliest = from
      latest = to
      last = next.sequence
      cursor.take()
    }

    const columns = this.#columns(samples, earliest)
    const entries = others.map(({ offset, atMs, entry }) => ({ offset, at: atMs - earliest, entry }))
    const message: Report = {
      incarnation: this.#incarnation,
      first,
      count: last - first + 1,
      baseMs: earliest,
      series,
      samples: columns,
      after: after === first - 1 ? null : after,
      pausedMs: null,
      entries,
    }
    return { first, last, bytes: report.encode(message) }
  }

  /** Views of the columns, good until the next report. */
  #columns(samples: number, baseMs: number): Report['samples'] {
    const at = new DataView(new ArrayBuffer(4 * samples))
    for (let index = 0; index < samples; index++) at.setUint32(4 * index, this.#ats[index]! - baseMs, true)
    return {
      series: new Uint8Array(this.#seriesOf.buffer, 0, 2 * samples),
      offset: new Uint8Array(this.#offsets.buffer, 0, 2 * samples),
      at: new Uint8Array(at.buffer),
      value: new Uint8Array(this.#values.buffer, 0, 8 * samples),
    }
  }
}

/** Bytes of an entry's texts and payload. */
function sizeOf(entry: ReportEntry): number {
  switch (entry.kind) {
    case 'log':
    case 'event':
      return toUtf8(entry.text).length
    case 'message':
      return toUtf8(entry.topic).length + entry.payload.length + (entry.served?.length ?? 0) * servedBytes
    case 'gap':
      return toUtf8(entry.reason).length
    case 'handled':
      return 0
  }
}
