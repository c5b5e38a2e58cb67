// What the demo shows, as a pure function of what it has heard: a table that fits the terminal, or one plain line a value.

export interface ValueRow {
  node: string
  tier: string
  module: string
  /** The device that the instance belongs to; null for a shared one. */
  home: string | null
  metric: string
  value: number
  atMs: number
  /** The newest values, oldest first. */
  history: number[]
}

export interface Screen {
  title: string
  /** What is going on, newest last. */
  notes: string[]
  rows: ValueRow[]
  nowMs: number
}

/** Columns before the trend. */
const lead = 68
/** The receipts of all nodes, with what stands above and below. */
const maxNotes = 8

const bars = '▁▂▃▄▅▆▇█'

/** A line of bars, one a value, between the lowest and the highest of them. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width)
  const low = Math.min(...shown)
  const span = Math.max(...shown) - low
  return shown.map((value) => bars[span === 0 ? 3 : Math.min(7, Math.floor(((value - low) / span) * 8))]).join('')
}

const dim = (text: string) => `\x1b[2m${text}\x1b[22m`
const bold = (text: string) => `\x1b[1m${text}\x1b[22m`
const colours: Readonly<Record<string, number>> = { device: 32, edge: 33, cloud: 36 }
const tinted = (tier: string, text: string) => `\x1b[${colours[tier] ?? 37}m${text}\x1b[39m`

const order = ['mcu', 'device', 'edge', 'cloud']

const byPlace = (a: ValueRow, b: ValueRow) =>
  order.indexOf(a.tier) - order.indexOf(b.tier) ||
  a.node.localeCompare(b.node) ||
  a.module.localeCompare(b.module) ||
  (a.home ?? '').localeCompare(b.home ?? '') ||
  a.metric.localeCompare(b.metric)

const cell = (text: string, width: number) =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width)

export function formatValue(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  return Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) >= 100 ? 1 : 2)
}

function formatAge(ms: number): string {
  return ms < 0 ? '0.0s' : ms < 60_000 ? `${(ms / 1000).toFixed(1)}s` : `${Math.floor(ms / 60_000)}m`
}

/** An instance that isn't where it belongs says to whom it does. */
const named = ({ module, home, node }: ValueRow): string =>
  home === null || home === node ? module : `${module}@${home}`

/** The lines of a whole screen, `columns` wide, without line ends. */
export function renderScreen(screen: Screen, columns: number): string[] {
  const width = Math.max(72, Math.min(columns, 110))
  const trend = Math.max(4, width - lead)
  const lines = [bold(cell(screen.title, width)), '']
  lines.push(
    dim(
      `${cell('TIER', 8)}${cell('NODE', 10)}${cell('MODULE', 18)}${cell('METRIC', 14)}${'VALUE'.padStart(9)}  ${'AGE'.padStart(5)}  TREND`,
    ),
  )
  let lastNode = ''
  for (const row of [...screen.rows].sort(byPlace)) {
    const first = row.node !== lastNode
    lastNode = row.node
    const place = tinted(row.tier, `${cell(first ? row.tier : '', 8)}${cell(first ? row.node : '', 10)}`)
    const age = formatAge(screen.nowMs - row.atMs).padStart(5)
    lines.push(
      `${place}${cell(named(row), 17)} ${cell(row.metric, 13)} ${formatValue(row.value).padStart(9)}  ${dim(age)}  ${sparkline(row.history, trend)}`,
    )
  }
  if (screen.rows.length === 0) lines.push(dim('no value yet'))
  lines.push('')
  for (const note of screen.notes.slice(-maxNotes)) lines.push(dim(cell(note, width)))
  return lines
}

/** One value for where there is no terminal. */
export function plainLine(row: ValueRow): string {
  const instance = row.home === null ? row.module : `${row.module}@${row.home}`
  return `${new Date(row.atMs).toISOString().slice(11, 19)} ${row.tier.padEnd(6)} ${row.node.padEnd(8)} ${instance.padEnd(20)} ${row.metric.padEnd(12)} ${formatValue(row.value)}`
}
