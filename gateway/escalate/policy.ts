import type { FaultCause } from './bar.ts'

export interface EscalationPolicy {
  /** So many faults of a kind within so long make an instance climb. */
  readonly faults: Readonly<Record<FaultCause, { readonly count: number; readonly withinMs: number }>>
  /** How long an instance stays away at least: the first time, and at most. Each time that it has to go again doubles it. */
  readonly faultHoldMs: number
  readonly vitalHoldMs: number
  readonly maxHoldMs: number
  /** What has been at home for so long without having to go begins with the first time again. */
  readonly forgetMs: number
  /** A node that was relieved of an instance, or got one back, is looked at again after so long before the next one. */
  readonly settleMs: number
  /** A vital must have been well for so long before anything comes home. */
  readonly calmMs: number
  /** What a node said longer ago says nothing of it now. */
  readonly freshMs: number
}

const minute = 60_000
const hour = 60 * minute

export const defaultPolicy: EscalationPolicy = {
  faults: {
    memory: { count: 3, withinMs: 10 * minute },
    deadline: { count: 3, withinMs: 10 * minute },
    // An instance tells at most once in ten seconds that it is over its rates: that it has been so for most of a minute.
    quota: { count: 5, withinMs: minute },
  },
  faultHoldMs: 5 * minute,
  vitalHoldMs: minute,
  maxHoldMs: 6 * hour,
  forgetMs: 24 * hour,
  settleMs: 30_000,
  calmMs: 30_000,
  freshMs: 5 * minute,
}
