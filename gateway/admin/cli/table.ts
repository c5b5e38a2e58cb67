/** A column of a table: its heading, and each row's text. */
export interface Column<Row> {
  readonly heading: string
  readonly text: (row: Row) => string
  readonly right?: boolean
  /** What only a whole text is good for, such as a name to be typed, or a time: cut last of all. */
  readonly whole?: boolean
}

/**
 * Rows as lines that fit `width`: columns as wide as their widest text, and what doesn't fit cut with an ellipsis, the widest column first, those that are good for nothing in part last.
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width = terminalWidth()): string {
  const cells = [
    columns.map(({ heading }) => heading),
    ...rows.map((row) => columns.map(({ text }) => printable(text(row)))),
  ]
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]!.length)))
  const gaps = 2 * (columns.length - 1)
  const total = () => widths.reduce((sum, each) => sum + each, gaps)
  const cut = (isCut: (column: Column<Row>) => boolean): void => {
    const open = widths.map((each, index) => (isCut(columns[index]!) ? each : 0))
    while (total() > width) {
      const widest = open.indexOf(Math.max(...open))
      if (open[widest]! <= 6) break
      widths[widest] = --open[widest]!
    }
  }
  cut(({ whole }) => !whole)
  cut(() => true)
  return cells
    .map((line) =>
      line
        .map((text, index) => pad(text, widths[index]!, columns[index]!.right ?? false))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Names and values below each other; values that don't fit go on below themselves. */
export function listing(entries: readonly (readonly [name: string, value: string])[], width = terminalWidth()): string {
  const indent = Math.max(...entries.map(([name]) => name.length)) + 2
  return entries
    .map(([name, value]) => name.padEnd(indent) + wrap(value, width - indent).join(`\n${' '.repeat(indent)}`))
    .join('\n')
}

/** Text as lines of at most `width`, broken between words. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of printable(text).split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** Of the terminal that is written to; files and pipes take lines of any length, so there nothing is cut. */
export const terminalWidth = (): number =>
  process.stdout.columns ?? (Number(process.env.COLUMNS) || Number.POSITIVE_INFINITY)

function pad(text: string, width: number, right: boolean): string {
  if (text.length > width) return `${text.slice(0, width - 1)}…`
  return right ? text.padStart(width) : text.padEnd(width)
}

/** What nodes, modules and authors wrote must not steer a terminal, nor hide or reorder what stands beside it. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, ' ')
}

/** The same for a text of several lines. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n')

const units = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
] as const

/** "3 min ago"; "in 2 d" for what is to come; "never" for null. */
export function relativeTime(at: number | null, now = Date.now()): string {
  if (at === null) return 'never'
  const distance = Math.abs(now - at)
  const [size, unit] = units.find(([each]) => distance >= each) ?? [0, '']
  if (size === 0) return 'now'
  const text = `${Math.floor(distance / size)} ${unit}`
  return at > now ? `in ${text}` : `${text} ago`
}

/** "2026-11-23 05:01:04", in local time. */
export const timestamp = (at: number): string => new Date(at).toLocaleString('sv-SE')

/** Instants that the gateway names within a sentence, in local time; of today the time alone. */
export const inLocalTime = (text: string, now = Date.now()): string =>
  text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, (instant) => {
    const told = timestamp(Date.parse(instant))
    const today = timestamp(now).slice(0, 11)
    return told.startsWith(today) ? told.slice(11) : told
  })

/** As few digits as tell it apart from its neighbours; "-" where a module emitted no number. */
export const formatNumber = (value: number | null): string => (value === null ? '-' : `${Number(value.toPrecision(6))}`)

/** A row of bars, one for each value; gaps where there is none. */
export function sparkline(values: readonly (number | null)[], width = 24): string {
  const known = values.filter((value) => value !== null)
  if (known.length === 0) return ''
  const low = Math.min(...known)
  const range = Math.max(...known) - low
  const size = Math.max(1, values.length / width)
  const bars = Array.from({ length: Math.min(width, values.length) }, (_, index) => {
    const part = values
      .slice(Math.floor(index * size), Math.floor((index + 1) * size))
      .filter((value) => value !== null)
    if (part.length === 0) return ' '
    const mean = part.reduce((sum, value) => sum + value, 0) / part.length
    return '▁▂▃▄▅▆▇█'[range === 0 ? 3 : Math.min(7, Math.floor(((mean - low) / range) * 8))]!
  })
  return bars.join('')
}

/** "1.5 MiB", as sizes of memory are named. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10))
  return `${(bytes / 2 ** (10 * power)).toFixed(1).replace(/\.0$/, '')} ${['', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`
}
