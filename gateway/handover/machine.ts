import type { Holder } from '../store/handovers.ts'

// Who may have an instance that keeps something. Pure: the caller writes each new state down before anyone is told of it, so a gateway that dies goes on where it was. [P 13.3]

/** What is known as a plan is made. */
export interface HandoverInput {
  /** Nodes on which plans have the instance today; in the middle of a rollout the old plan may name one and the new one another. None where it has no place. */
  readonly places: readonly string[]
  /** Where nothing is given to anyone before it ends. */
  readonly inRollout: boolean
  /** In a rollout that is between two waves: what its node has lost is given all the same. */
  readonly isResting: boolean
  /** Why the node that has it can't let go of it; null where it can. */
  readonly unable: string | null
  /** How long it may take to, in ms. */
  readonly patienceMs: number
  readonly now: number
}

/** What is to be done with it now; `give` is the one that takes more than a change of the holder. */
export type HandoverStep =
  | { readonly kind: 'stay' }
  | { readonly kind: 'release'; readonly holder: Holder }
  /** Nobody has it, and its last word never came. */
  | { readonly kind: 'force'; readonly holder: Holder }
  | { readonly kind: 'give'; readonly to: string }

/** The next step, until there is none. */
export function nextStep(
  holder: Holder,
  { places, inRollout, isResting, unable, patienceMs, now }: HandoverInput,
): HandoverStep {
  switch (holder.status) {
    case 'held': {
      if (places.includes(holder.node)) return { kind: 'stay' }
      const wanted = places[0] ?? holder.wanted
      return { kind: 'release', holder: { ...holder, status: 'releasing', since: now, wanted, lost: null } }
    }
    case 'releasing': {
      // One that is to stay after all may have let go by now: its last word is awaited all the same.
      const waited = now - holder.since
      if (unable === null && waited < patienceMs) return { kind: 'stay' }
      const why = unable ?? `${holder.node} did not let go of it within ${Math.round(waited / 1000)} s`
      return { kind: 'force', holder: { ...holder, status: 'free', since: now, lost: why } }
    }
    case 'free': {
      const [to] = places
      const waits = inRollout && !(isResting && holder.lost !== null)
      return to === undefined || waits ? { kind: 'stay' } : { kind: 'give', to }
    }
  }
}
