import { HyphaError } from '@hypha/core/errors.ts'
import { nearest } from '@hypha/core/nearest.ts'

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}
const sizeUnits: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2 }

/** The place of a value in a manifest, and how errors about it are made. */
export interface Place {
  readonly file: string
  /** As it stands between the brackets: `module.sampler`. */
  readonly table: string
  readonly key: string
  /** Of a table that stands several times, in double brackets: which one, from 0. */
  readonly nth?: number
  /** The manifest's text, to find the line. */
  readonly text: string
}

/** An error that names file, line, table and key. */
export function badValue(place: Place, message: string, mend?: string): HyphaError {
  const line = lineOf(place)
  const key = place.key === '' || place.key === place.table ? '' : ` ${place.key}`
  return new HyphaError('manifest-invalid', `[${place.table}]${key}: ${message}`, {
    where: line === null ? place.file : `${place.file}:${line}`,
    ...(mend === undefined ? {} : { mend }),
  })
}

/**
 * The line, counted from 1, on which a key of a table stands; the table's own line where the key isn't found; the line of an inline table
 * in its parent; null for none of these.
 */
export function lineOf(place: Place): number | null {
  const { text, table, key, nth = 0 } = place
  let inTable = false
  let seen = 0
  let tableLine: number | null = null
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[\[?([^\]]+)\]/.exec(line)
    if (header !== null) {
      inTable = header[1]!.replaceAll(/[\s"']/g, '') === table && seen++ === nth
      if (inTable) tableLine = index + 1
    } else if (inTable) {
      const assigned = /^\s*["']?([^\s"'=]+)["']?\s*=/.exec(line)
      if (assigned?.[1] === key) return index + 1
    }
  }
  const dot = table.lastIndexOf('.')
  if (tableLine !== null || dot < 0) return tableLine
  return lineOf({ ...place, nth: 0, table: table.slice(0, dot), key: table.slice(dot + 1) })
}

/** A duration such as `"500ms"`, `"1s"`, `"5min"`, `"1h"` or `"1d"`, in milliseconds. */
export function duration(place: Place, value: unknown, minMs: number, maxMs: number): number {
  const parsed = typeof value === 'string' ? /^(\d{1,9}(?:\.\d{1,3})?)\s?(ms|s|min|m|h|d)$/.exec(value) : null
  if (parsed === null) {
    throw badValue(
      place,
      `${show(value)} is no duration`,
      'Write a number with a unit, such as "500ms", "1s", "5min", "1h" or "1d".',
    )
  }
  const ms = Math.round(Number(parsed[1]) * durationUnits[parsed[2]!]!)
  return inRange(place, ms, minMs, maxMs, 'milliseconds')
}

/** A size such as `"512B"`, `"16KiB"` or `"1MiB"`, or a plain number of bytes; in bytes. */
export function size(place: Place, value: unknown, minBytes: number, maxBytes: number): number {
  if (typeof value === 'number') return inRange(place, whole(place, value), minBytes, maxBytes, 'bytes')
  const parsed = typeof value === 'string' ? /^(\d{1,9}(?:\.\d{1,3})?)\s?(B|KiB|MiB)$/.exec(value) : null
  if (parsed === null) {
    throw badValue(place, `${show(value)} is no size`, 'Write a number with a unit, such as "512B", "16KiB" or "1MiB".')
  }
  const bytes = Math.round(Number(parsed[1]) * sizeUnits[parsed[2]!]!)
  return inRange(place, bytes, minBytes, maxBytes, 'bytes')
}

export function count(place: Place, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw badValue(place, `${show(value)} is no number`)
  return inRange(place, whole(place, value), min, max, '')
}

export function flag(place: Place, value: unknown): boolean {
  if (typeof value !== 'boolean') throw badValue(place, `${show(value)} is neither true nor false`)
  return value
}

/** A string of 1 to `max` characters, of a form that `pattern` knows and `form` describes. */
export function words(place: Place, value: unknown, max: number, pattern?: RegExp, form?: string): string {
  if (value === undefined) throw badValue(place, 'it is missing')
  if (typeof value !== 'string') throw badValue(place, `${show(value)} is no string`)
  if (value === '' || value.length > max)
    throw badValue(place, `it must have 1 to ${max} characters, not ${value.length}`)
  if (pattern !== undefined && !pattern.test(value)) throw badValue(place, `${show(value)} is not ${form}`)
  return value
}

/** A list of at most `max` strings without doubles; `item` checks each. */
export function stringList(place: Place, value: unknown, max: number, item: (text: unknown) => string): string[] {
  if (!Array.isArray(value)) throw badValue(place, `${show(value)} is no list`, 'Write the strings between brackets.')
  if (value.length > max) throw badValue(place, `${value.length} entries are over the cap of ${max}`)
  const items = value.map(item)
  const double = items.find((text, index) => items.indexOf(text) !== index)
  if (double !== undefined) throw badValue(place, `"${double}" stands twice`)
  return items
}

function whole(place: Place, value: number): number {
  if (!Number.isSafeInteger(value)) throw badValue(place, `${value} is no whole number`)
  return value
}

function inRange(place: Place, value: number, min: number, max: number, unit: string): number {
  if (value >= min && value <= max) return value
  throw badValue(place, `${value} is outside ${min} to ${max} ${unit}`.trimEnd())
}

const show = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, 80)

/** What `read` makes of a value, or the fallback where there is none. */
export function optional<T, D>(value: unknown, fallback: D, read: (value: unknown) => T): T | D {
  return value === undefined ? fallback : read(value)
}

/** A table of the manifest; one that is missing is an error. */
export function tableOf(value: unknown, place: Place): Record<string, unknown> {
  if (value === undefined) throw badValue(place, 'it is missing')
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badValue(place, 'this must be a table')
  return value as Record<string, unknown>
}

/** Throws `manifest-invalid` for a key that isn't known, with the one that was meant. */
export function knownKeys(table: Record<string, unknown>, known: readonly string[], at: (key: string) => Place): void {
  for (const key of Object.keys(table)) {
    if (known.includes(key)) continue
    const meant = nearest(key, known)
    const mend = meant === null ? `Known here are: ${known.join(', ')}.` : `Did you mean "${meant}"?`
    throw badValue({ ...at(key), key }, 'this key is unknown', mend)
  }
}
