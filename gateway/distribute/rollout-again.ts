import type { RolloutState } from './rollout-machine.ts'
import { rolloutDefaults } from './rollout-policy.ts'

/**
 * The state from which a rollout begins to prepare again, by the fleet as it is now; null where nothing is being prepared, or something is committed already. While it is paused it stays as it is: whoever has paused it
 * wants nothing to happen.
 */
export const beforePreparing = (state: RolloutState, nowMs: number): RolloutState | null =>
  state.at === 'preparing' && state.wave === 0
    ? { at: 'window', wave: 0, opensAtMs: null, untilMs: nowMs + rolloutDefaults.patienceMs }
    : null
