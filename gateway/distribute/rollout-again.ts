import type { RolloutState } from './rollout-machine.ts'
import { rolloutDefaults } from './rollout-policy.ts'

/** The state from which a rollout begins to prepare its wave again, by the fleet as it is now: paused where it is that. Null where nothing is being prepared. */
export function beforePreparing(state: RolloutState, nowMs: number): RolloutState | null {
  if (state.at === 'preparing') {
    return { at: 'window', wave: state.wave, opensAtMs: null, untilMs: nowMs + rolloutDefaults.patienceMs }
  }
  if (state.at !== 'paused') return null
  const before = beforePreparing(state.before, nowMs)
  return before?.at === 'window' ? { ...state, before } : null
}
