/** The stretch of numbers that a report covers: those after `after` and before `end`. */
export interface Stretch {
  readonly after: number
  readonly end: number
}

/** What is to be done with a report, by what is stored of its journal. */
export type Verdict =
  /** All of it is stored already. */
  | 'old'
  /** It follows on what is stored: the numbers above the mark are new. */
  | 'next'
  /** Numbers are missing before it, and may still come: it is not stored now, and the node sends it again. */
  | 'held'
  /** Numbers are missing before it and won't come any more. */
  | 'gap'

/** A journal whose next report doesn't follow on what is stored. */
export interface Waiting {
  readonly after: number
  readonly times: number
}

/** So often a report comes as the lowest that its node has, before what is missing counts as lost. [P 8.6] */
const patience = 3

/**
 * Whether a report follows on what is stored. A node sends in order, and again from the lowest that isn't acknowledged: so if numbers are missing
 * at the beginning of a connection (`fresh`), the node doesn't have them any more, for example because the gateway's database came out of a backup. In the middle of a connection a
 * report may have been lost on the way: the rest is held back until the node sends again. Accepting it would acknowledge what was never stored.
 *
 * `mark` is the highest number stored, null for a journal that is new here: its numbers begin at 0 or 1.
 */
export function judge(
  stretch: Stretch,
  mark: number | null,
  fresh: boolean,
  waiting: Waiting | null,
): { verdict: Verdict; waiting: Waiting | null } {
  if (mark !== null && stretch.end - 1 <= mark) return { verdict: 'old', waiting }
  if (stretch.after <= Math.max(mark ?? 0, 0)) return { verdict: 'next', waiting: null }
  if (fresh) return { verdict: 'gap', waiting: null }
  const lowest = waiting === null || stretch.after < waiting.after
  if (lowest) return { verdict: 'held', waiting: { after: stretch.after, times: 1 } }
  if (stretch.after > waiting.after) return { verdict: 'held', waiting }
  const times = waiting.times + 1
  if (times >= patience) return { verdict: 'gap', waiting: null }
  return { verdict: 'held', waiting: { after: stretch.after, times } }
}
