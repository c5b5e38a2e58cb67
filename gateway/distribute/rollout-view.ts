import type { RolloutState } from './rollout-machine.ts'
import type { Policy } from './rollout-policy.ts'

/** A rollout as it is shown: of now, or of before. */
export interface RolloutShown {
  /** Rises with each rollout of the app. */
  readonly id: number
  readonly app: string
  /** The release's number. */
  readonly release: number
  /** Of the sections to prepare. */
  readonly epoch: number
  readonly kind: 'push' | 'rollback'
  /** What runs where it doesn't yet; null for an app's first. */
  readonly from: number | null
  readonly state: RolloutState['at']
  /** The wave that it is at, from 0 on; null where it is at none. */
  readonly wave: number | null
  /** The last wave whose commit was given; -1 before the first. */
  readonly committed: number
  /** Nodes of each wave. */
  readonly waves: readonly (readonly string[])[]
  /** What has to happen before it goes on, in a sentence; null once it has ended. */
  readonly waitsFor: string | null
  /** How it ended, in a sentence; null while it hasn't. */
  readonly why: string | null
  /** When it goes on or ends by itself at the latest; null once it has ended. */
  readonly untilMs: number | null
  readonly startedAt: number
  readonly endedAt: number | null
  readonly policy: Policy
  /** What happened, the oldest first. */
  readonly history: readonly { readonly atMs: number; readonly text: string }[]
}

export type RolloutAct = 'approve' | 'pause' | 'resume' | 'abort'

/** What the API has of rollouts. What isn't there is `not-found`; an act that doesn't fit the state is `rollout-state`. */
export interface RolloutServices {
  /** The app's newest. */
  show(app: string): RolloutShown
  /** The newest first. */
  list(app: string): RolloutShown[]
  /** `by` is the caller's name. */
  act(app: string, act: RolloutAct, by: string): RolloutShown
}
