import { type Commit, commit as commitMessage, maxCommitBytes } from '@hypha/core/trust/commit.ts'
import { openEnvelope } from '@hypha/core/trust/cose.ts'
import { committedWave, hasEnded, preparingWave, type RolloutState } from '../distribute/rollout-machine.ts'
import type { Policy } from '../distribute/rollout-policy.ts'
import type { Plan } from '../plan.ts'
import type { StoredRollout } from '../store/rollouts.ts'
import type { Store } from '../store/store.ts'

/** A rollout as it is written down. Digests are lower-case hex. */
export interface RolloutRecord {
  readonly kind: 'push' | 'rollback'
  readonly release: string
  readonly number: number
  /** Of the sections to prepare. */
  readonly epoch: number
  /** Of its first wave, where later ones have a higher one: nodes were told of something else in between. */
  readonly since?: number
  /** What ran before; null for an app's first. */
  readonly from: { readonly release: string; readonly number: number } | null
  readonly policy: Policy
  /** Where the release is to run. */
  readonly plan: Plan
  readonly waves: readonly (readonly string[])[]
  readonly state: RolloutState
  /** How `from` comes to its nodes again; from the moment on at which it is taken back. */
  readonly back?: {
    readonly epoch: number
    readonly plan: Plan
    /** Nodes that hadn't flipped by then: what they were told to run before goes on. */
    readonly kept: readonly string[]
  }
  readonly startedAt: number
  readonly endedAt: number | null
  /** A release was told to all nodes at once since: how this one ended says nothing of what runs. */
  readonly passed?: boolean
  readonly history: readonly { readonly atMs: number; readonly text: string }[]
}

export type Rollout = StoredRollout<RolloutRecord>

const maxHistory = 200

/** The app's rollout by which nodes are directed; null where there is none. */
export const currentRollout = ({ rollouts }: Store, app: string): Rollout | null =>
  rollouts.currentOf(app) as Rollout | null

/** What its nodes are told by: while it is taken back that is the release before, for all that had been committed, at one instant. */
export function asDirected(rollout: Rollout): Rollout {
  const { value } = rollout
  const { state, back, from } = value
  if (state.at !== 'restoring' || back === undefined || from === null) return rollout
  const { instantMs, untilMs } = state
  const inner: RolloutState =
    instantMs === null
      ? { at: 'preparing', wave: 0, untilMs }
      : { at: 'committed', wave: 0, instantMs, untilMs, settled: false, pause: false }
  const { epoch, plan } = back
  const waves = [value.waves.slice(0, state.wave + 1).flat()]
  return { ...rollout, value: { ...value, ...from, epoch, since: epoch, plan, waves, state: inner } }
}

/** Its nodes are told something else than its app's plan alone says. */
export const directs = ({ value }: Rollout): boolean =>
  committedWave(value.state) >= 0 || preparingWave(value.state) !== null

/** It ended after some of its waves: each node stays on what it runs until somebody chooses a release. */
export const isMixed = ({ state, waves }: Pick<RolloutRecord, 'state' | 'waves'>): boolean =>
  state.at === 'aborted' && state.committed >= 0 && state.committed < waves.length - 1

/** With another state and what there is to say of it. */
export function advanced(rollout: Rollout, state: RolloutState, texts: readonly string[], nowMs: number): Rollout {
  const { value } = rollout
  const ended = hasEnded(state)
  const history = [...value.history, ...texts.map((text) => ({ atMs: Math.round(nowMs), text }))].slice(-maxHistory)
  const next = { ...value, state, history, endedAt: ended ? Math.round(nowMs) : null }
  return { ...rollout, value: next, current: !ended || isMixed(next) }
}

/** The app's last commit, as it was signed; null before the first. */
export function lastCommit({ rollouts }: Store, app: string): Pick<Commit, 'epoch' | 'wave' | 'instantMs'> | null {
  const envelope = rollouts.committed(app)?.commit
  if (!envelope) return null
  const { epoch, wave, instantMs } = commitMessage.decode(
    openEnvelope(envelope, 'commit', maxCommitBytes).unverifiedPayload,
  )
  return { epoch, wave, instantMs }
}

/** Writes down that its release is to run elsewhere than it was begun with. Call it within a transaction. */
export function revise(store: Store, app: string, plan: Plan): void {
  const current = currentRollout(store, app)!
  store.rollouts.put({ ...current, value: { ...current.value, plan } })
}

/** Ends the app's rollout because another choice takes its place; what it has committed stays. Call it within a transaction. */
export function supersede(store: Store, app: string, why: string, nowMs: number): void {
  const current = currentRollout(store, app)
  if (current === null) return
  const { state } = current.value
  const committed = committedWave(state)
  const ended = advanced(current, { at: 'superseded', atMs: nowMs, why, committed }, [why], nowMs)
  store.rollouts.put({ ...ended, current: false })
}
