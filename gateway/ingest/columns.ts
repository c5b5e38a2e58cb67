import { HyphaError } from '@hypha/core/errors.ts'
import type { Report } from '@hypha/core/wire/messages/report.ts'

/** Later times than any clock shows (ECMAScript, 21.4.1.1). */
const maxTimeMs = 8.64e15

/** The samples of a report that has been checked: every index is in range, and the offsets rise. */
export interface Columns {
  readonly count: number
  series(index: number): number
  offset(index: number): number
  /** ms since 1970. */
  at(index: number): number
  value(index: number): number
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * Holds a report against itself: the columns have as many numbers as each other, every index exists, and every sequence number is there at most once and
 * within the stretch. Throws `report-malformed`.
 */
export function checkReport(report: Report): Columns {
  const { first, count, baseMs, after, samples, entries } = report
  const fail = (message: string) => new HyphaError('report-malformed', `The report from ${first} on: ${message}`)
  if (!Number.isSafeInteger(first + count) || baseMs > maxTimeMs - 2 ** 32) throw fail('numbers beyond what can be')
  if (after !== null && after >= first) throw fail(`it comes after ${after}`)

  const n = samples.series.length / 2
  const { series, offset, at, value } = samples
  if (!Number.isInteger(n) || offset.length !== 2 * n || at.length !== 4 * n || value.length !== 8 * n) {
    throw fail(
      `columns of ${series.length}, ${offset.length}, ${at.length} and ${value.length} bytes don't go together`,
    )
  }
  const [seriesView, offsetView, atView, valueView] = [view(series), view(offset), view(at), view(value)]
  const seen = new Uint8Array(count)
  let last = -1
  for (let index = 0; index < n; index++) {
    const which = seriesView.getUint16(2 * index, true)
    const number = offsetView.getUint16(2 * index, true)
    if (which >= report.series.length) throw fail(`sample ${index} is of series ${which}, of ${report.series.length}`)
    if (number <= last || number >= count) throw fail(`sample ${index} has offset ${number} after ${last}, of ${count}`)
    seen[number] = 1
    last = number
  }
  last = -1
  for (const entry of entries) {
    if (entry.offset <= last || entry.offset >= count || seen[entry.offset] === 1) {
      throw fail(`an entry has offset ${entry.offset} after ${last}, of ${count}`)
    }
    last = entry.offset
  }
  return {
    count: n,
    series: (index) => seriesView.getUint16(2 * index, true),
    offset: (index) => offsetView.getUint16(2 * index, true),
    at: (index) => baseMs + atView.getUint32(4 * index, true),
    value: (index) => valueView.getFloat64(8 * index, true),
  }
}
