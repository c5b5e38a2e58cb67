import type {
  NodeStage,
  RolloutContext,
  RolloutEvent,
  RolloutState,
  RolloutVoter,
} from '../../../gateway/distribute/rollout-machine.ts'
import { policyOf, type RolloutOptions } from '../../../gateway/distribute/rollout-policy.ts'

// What a rollout looks at, as one would hardly write it out each time.

export const t0 = 1_800_000_000_000

export const voter = (node: string, stage: NodeStage, over: Partial<RolloutVoter> = {}): RolloutVoter => ({
  node,
  wave: 0,
  online: true,
  stage,
  why: null,
  clock: { rttMs: 2, errorMs: 1 },
  ...over,
})

export interface Given extends Partial<Omit<RolloutContext, 'policy' | 'window'>> {
  readonly policy?: RolloutOptions
  readonly open?: boolean
}

export const contextOf = ({ policy = {}, open = true, ...over }: Given = {}): RolloutContext => ({
  nowMs: t0,
  policy: policyOf(null, policy),
  waves: 1,
  voters: [voter('a', 'waiting')],
  health: null,
  window: () => ({ open, opensAtMs: open ? null : t0 + 3_600_000 }),
  canRestore: true,
  ...over,
})

export const look: RolloutEvent = { kind: 'look' }
export const preparing = (wave = 0): RolloutState => ({ at: 'preparing', wave, untilMs: t0 + 1_000 })
export const committed = (over = {}): RolloutState => ({
  at: 'committed',
  wave: 0,
  instantMs: t0,
  untilMs: t0 + 60_000,
  settled: false,
  pause: false,
  ...over,
})
