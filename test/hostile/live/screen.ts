import { stdout } from 'node:process'
import { asExpected, type Outcome } from './mutate.ts'
import { goalOf, type Result } from './row.ts'

const titles: Readonly<Record<string, string>> = {
  arbitrary: 'Arbitrary software installation (TUF)',
  endless: 'Endless data (TUF)',
  extraneous: 'Extraneous dependencies (TUF)',
  'fast-forward': 'Fast-forward (TUF)',
  freeze: 'Indefinite freeze (TUF)',
  mirrors: 'Malicious mirrors (TUF)',
  'mix-and-match': 'Mix-and-match (TUF)',
  rollback: 'Rollback (TUF)',
  'key-compromise': 'Vulnerability to key compromise (TUF)',
  wrong: 'Wrong software installation (TUF)',
  'side-door': 'Side doors',
  join: "Joining with what is another's",
  renew: "Renewing with what is another's",
  stranger: 'Strangers at the broker',
  identity: 'Known, and not let in',
  topics: 'Topics of others',
  reports: "Reports that are not one's own",
  api: 'The HTTP API',
  uplink: 'Between a site and its upstream',
  board: 'A microcontroller, at its serial line',
}

const widths = { sent: 58 } as const

const colour = (code: number, text: string): string => (stdout.isTTY ? `\x1b[${code}m${text}\x1b[0m` : text)
const cut = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width)

/** The attacks by their goals, at most 100 columns wide. */
export function table(results: readonly Result[]): string {
  const goals = [...new Set(results.map(goalOf))].sort((a, b) => order(a) - order(b))
  const head = `  ${cut('what was sent', widths.sent)} where    refusal`
  const groups = goals.map((goal) => {
    const rows = results.filter((row) => goalOf(row) === goal)
    return `${colour(1, titles[goal] ?? goal)}\n${rows.map(line).join('\n')}\n`
  })
  return [head, '', ...groups].join('\n')
}

const order = (goal: string): number => {
  const at = Object.keys(titles).indexOf(goal)
  return at < 0 ? Number.POSITIVE_INFINITY : at
}

function line(row: Result): string {
  const { name, sent, at, code, refused, expected, fault } = row
  const start = `  ${cut(sent, widths.sent)} ${at.padEnd(8)}`
  if (refused) return `${start} ${colour(32, code ?? '')}`
  const why = fault ?? (code === null ? `let through; expected ${expected}` : `${code}; expected ${expected}`)
  return `${start} ${colour(31, 'NOT REFUSED')} ${name}\n      ${why}`
}

export function summary(results: readonly Result[], seconds: number): string {
  const refused = results.filter((row) => row.refused).length
  const text = `${refused} of ${results.length} attacks refused as expected, in ${seconds.toFixed(1)} s`
  return colour(refused === results.length ? 32 : 31, text)
}

const checkWidth = 57

export const mutationHead = `${cut('without this check', checkWidth)} get through   time   exactly its own`

/** At most 100 columns, but for what is unexpected. */
export function outcomeLine(outcome: Outcome): string {
  const { name, failed, held, surprising, backedBy, fault, ms } = outcome
  const good = asExpected(outcome)
  const numbers = `${String(failed.length).padStart(11)} ${`${(ms / 1000).toFixed(0)} s`.padStart(6)}`
  const start = `${cut(name, checkWidth)} ${numbers}   ${good ? colour(32, 'as expected') : colour(31, 'UNEXPECTED')}`
  const more = [
    good && backedBy !== null ? cut(`  none: ${backedBy}`, 100).trimEnd() : null,
    held.length > 0 ? `  still refused: ${held.join(', ')}` : null,
    surprising.length > 0 ? `  let through too: ${surprising.join(', ')}` : null,
    fault === null ? null : `  ${fault}`,
  ]
  return [start, ...more.filter((each) => each !== null)].join('\n')
}

export function mutationSummary(outcomes: readonly Outcome[], seconds: number): string {
  const good = outcomes.filter(asExpected).length
  const time = `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
  const text = `${good} of ${outcomes.length} copies of the source let through exactly the attacks that they should, in ${time}`
  return colour(good === outcomes.length ? 32 : 31, text)
}
