// Whether the agent's own update is to go on, is done or has failed. Pure: slots.ts writes down what follows from it, the launcher (agent/launcher) acts on that.

export interface Why {
  readonly code: string
  readonly message: string
}

/** What an agent finds when it starts. Slots are named by the SHA-256 of their archive, in hex. */
export interface Found {
  /** The slot that this process was started from. */
  readonly running: string
  /** The slot that the launcher starts when nothing is on trial. */
  readonly current: string | null
  /** The slot that the launcher tries. */
  readonly trial: string | null
  /** What was given up last, by the launcher or by the agent on trial, and why. */
  readonly reverted: (Why & { readonly slot: string }) | null
  /** The slot of the release that the install file says is on trial. */
  readonly staged: string | null
}

export type Verdict =
  /** Nothing is on its way. */
  | { readonly kind: 'settled' }
  /** This process is the one on trial. */
  | { readonly kind: 'watch' }
  /** It was confirmed, and cut before that was written down as a whole. */
  | { readonly kind: 'confirmed' }
  /** The trial was written down, and cut before the launcher could know. */
  | { readonly kind: 'try' }
  /** This process runs again, because the one on trial was given up. */
  | ({ readonly kind: 'failed' } & Why)
  /** This process had given itself up, and was cut before the launcher could know. */
  | ({ readonly kind: 'give-up' } & Why)

/** What an agent has to do first: for every moment at which the one before may have died. */
export function judge({ running, current, trial, reverted, staged }: Found): Verdict {
  if (trial === running && running !== current) {
    return reverted?.slot === running ? { kind: 'give-up', ...whyOf(reverted) } : { kind: 'watch' }
  }
  if (staged === null) return { kind: 'settled' }
  if (staged === running) return { kind: 'confirmed' }
  if (reverted?.slot === staged) return { kind: 'failed', ...whyOf(reverted) }
  if (trial === null) return { kind: 'try' }
  return { kind: 'failed', code: 'trial-died', message: 'The launcher did not start it' }
}

const whyOf = ({ code, message }: Why): Why => ({ code, message })

/** How an agent on trial is doing. */
export interface Watch {
  readonly beganMs: number
  /** Since when it is connected, and everything runs that ran before; null while that isn't so. */
  readonly healthySinceMs: number | null
  /** Whether it ever was connected. */
  readonly connected: boolean
}

export interface Health {
  /** Of a clock that never jumps. */
  readonly nowMs: number
  readonly online: boolean
  /** Apps that ran under the agent before, and don't now. */
  readonly missing: readonly string[]
}

export interface WatchLimits {
  /** It must be healthy for so long without a break. */
  readonly holdMs: number
  /** By then it must be. */
  readonly deadlineMs: number
}

export const defaultWatchLimits: WatchLimits = { holdMs: 30_000, deadlineMs: 300_000 }

/** The watch after a look at the agent, and what follows: it is confirmed, given up with a reason, or looked at again. */
export function look(
  watch: Watch,
  { nowMs, online, missing }: Health,
  { holdMs, deadlineMs }: WatchLimits,
): { readonly watch: Watch; readonly outcome: 'wait' | 'confirm' | Why } {
  const healthy = online && missing.length === 0
  const healthySinceMs = healthy ? (watch.healthySinceMs ?? nowMs) : null
  const next = { ...watch, healthySinceMs, connected: watch.connected || online }
  if (healthySinceMs !== null) return { watch: next, outcome: nowMs - healthySinceMs >= holdMs ? 'confirm' : 'wait' }
  if (nowMs - watch.beganMs < deadlineMs) return { watch: next, outcome: 'wait' }
  return { watch: next, outcome: whyNot(next, missing, deadlineMs) }
}

function whyNot({ connected }: Watch, missing: readonly string[], deadlineMs: number): Why {
  const within = `within ${Math.round(deadlineMs / 1_000)} s`
  if (!connected) return { code: 'trial-offline', message: `The new agent could not reach its gateway ${within}` }
  const what = missing.length > 0 ? `${missing.join(', ')} ran before, and did not` : 'The connection did not hold'
  return { code: 'trial-unhealthy', message: `${what} under the new agent ${within}` }
}
