import type { RolloutPolicy } from '@hypha/core/trust/release.ts'

/** What whoever pushes or rolls back says beside what the release says. */
export interface RolloutOptions {
  /** All nodes at once, in one wave. */
  readonly snap?: boolean
  /** Windows are passed over. */
  readonly now?: boolean
  /** Whether somebody has to say yes first. */
  readonly approve?: boolean
  readonly successPercent?: number
  readonly failurePercent?: number
  readonly soakMs?: number
  readonly prepareMs?: number
  readonly rollback?: boolean
}

/** A rollout's policy with nothing left open: the release's, what was said over it, and the gateway's defaults. */
export interface Policy extends Omit<RolloutPolicy, 'successPercent' | 'failurePercent' | 'soakMs' | 'prepareMs'> {
  readonly successPercent: number
  readonly failurePercent: number
  /** Null: none on a single wave, `soakBetweenWavesMs` between several. */
  readonly soakMs: number | null
  readonly prepareMs: number
  /** All nodes at once. */
  readonly snap: boolean
  /** Ticks that were missed since the flip count as illness: only where the author has said how the app is to be brought out, for a node that is busy for a moment misses some, too. */
  readonly ticks: boolean
}

/** Bounds of every state, in ms: none lasts for ever. */
export const rolloutDefaults = {
  prepareMs: 10 * 60_000,
  soakBetweenWavesMs: 30_000,
  /** How long somebody may take to approve, a window to open, or a pause to last. */
  patienceMs: 7 * 86_400_000,
  /** After the instant: how long nodes may take to flip and to confirm. */
  flipMs: 60_000,
  /** After the instant: when nodes are told for good, also those that haven't said that they flipped. */
  settleMs: 5_000,
  /** How long nodes may take to prepare the release before, where an ill one is taken back. */
  restoreMs: 20_000,
} as const

/** A rollback to a release goes at once, whatever that release says of being brought out: it is in the way of nobody's sleep. */
export function policyOf(
  said: RolloutPolicy | null,
  options: RolloutOptions,
  kind: 'push' | 'rollback' = 'push',
): Policy {
  const back = kind === 'rollback'
  return {
    waves: said?.waves ?? null,
    successPercent: options.successPercent ?? said?.successPercent ?? 100,
    failurePercent: options.failurePercent ?? said?.failurePercent ?? 0,
    soakMs: options.soakMs ?? said?.soakMs ?? null,
    prepareMs: options.prepareMs ?? said?.prepareMs ?? rolloutDefaults.prepareMs,
    approve: options.approve ?? (back ? false : (said?.approve ?? false)),
    rollback: options.rollback ?? said?.rollback ?? true,
    windows: back || options.snap || options.now ? [] : (said?.windows ?? []),
    health: said?.health ?? [],
    snap: options.snap ?? back,
    ticks: said !== null,
  }
}
