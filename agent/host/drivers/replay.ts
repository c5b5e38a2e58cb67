import { closeSync, openSync, readSync } from 'node:fs'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { SensorBinding } from '../node-file.ts'
import { DriverError, type SensorDriver } from './driver.ts'

const blockBytes = 65_536
const maxLineBytes = 65_536

/**
 * A column of a CSV file with a heading, at so many rows a second since the agent started. The file is read forward in blocks, so its size
 * costs no memory.
 */
export function replaySensor(
  binding: Extract<SensorBinding, { driver: 'replay' }>,
  path: string,
  clock: Clock,
): SensorDriver {
  const startedAt = clock.monotonic()
  let rows: CsvColumn | null = null
  /** Known after the first pass. */
  let count: number | null = null
  let row = -1
  let value = Number.NaN

  const begin = (): CsvColumn => {
    rows?.close()
    row = -1
    rows = new CsvColumn(path, binding.column)
    return rows
  }

  const moveTo = (wanted: number): void => {
    let target = count === null ? wanted : binding.loop ? wanted % count : Math.min(wanted, count - 1)
    let from = rows === null || target < row ? begin() : rows
    while (row < target) {
      const next = from.next()
      if (next !== null) {
        row++
        value = next
        continue
      }
      count = row + 1
      if (count === 0) throw new DriverError('unavailable', `${path} has no rows`)
      if (!binding.loop) return
      target = wanted % count
      from = begin()
    }
  }

  return {
    read() {
      moveTo(Math.floor(((clock.monotonic() - startedAt) / 1_000) * binding.rowsPerS))
      if (!Number.isFinite(value)) throw new DriverError('unavailable', `row ${row + 1} of ${path} has no number`)
      return value
    },
    close: () => rows?.close(),
  }
}

/** The values of one column, row by row. */
class CsvColumn {
  readonly #path: string
  readonly #file: number
  readonly #column: number
  readonly #decoder = new TextDecoder()
  readonly #block = new Uint8Array(blockBytes)
  #text = ''
  #at = 0
  #ended = false

  constructor(path: string, column: string) {
    this.#path = path
    try {
      this.#file = openSync(path, 'r')
    } catch (cause) {
      throw new DriverError('unavailable', `${path} can't be opened: ${(cause as Error).message}`, cause)
    }
    const heading = splitCsv(this.#line() ?? '')
    this.#column = heading.indexOf(column)
    if (this.#column < 0) {
      this.close()
      throw new DriverError('unavailable', `${path} has no column "${column}", but ${heading.join(', ').slice(0, 200)}`)
    }
  }

  /** NaN where the field is no number; null at the end. */
  next(): number | null {
    for (;;) {
      const line = this.#line()
      if (line === null) return null
      if (line === '') continue
      const field = splitCsv(line)[this.#column]?.trim() ?? ''
      return field === '' ? Number.NaN : Number(field)
    }
  }

  close(): void {
    closeSync(this.#file)
  }

  #line(): string | null {
    for (;;) {
      const end = this.#text.indexOf('\n', this.#at)
      if (end >= 0) {
        const line = this.#text.slice(this.#at, end)
        this.#at = end + 1
        return line.endsWith('\r') ? line.slice(0, -1) : line
      }
      this.#text = this.#text.slice(this.#at)
      this.#at = 0
      if (this.#text.length > maxLineBytes)
        throw new DriverError('unavailable', `${this.#path} has a line without an end`)
      if (this.#ended) {
        const rest = this.#text
        this.#text = ''
        return rest === '' ? null : rest
      }
      const read = readSync(this.#file, this.#block, 0, blockBytes, null)
      this.#ended = read === 0
      this.#text += this.#decoder.decode(this.#block.subarray(0, read), { stream: read > 0 })
    }
  }
}

/** RFC 4180, 2: fields may stand in quotes, a quote within doubled. Fields don't go over lines here. */
function splitCsv(line: string): string[] {
  if (!line.includes('"')) return line.split(',')
  const fields: string[] = []
  for (const match of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
  }
  return fields
}
