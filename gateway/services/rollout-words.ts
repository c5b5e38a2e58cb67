import {
  committedWave,
  dueMs,
  hasEnded,
  type RolloutContext,
  type RolloutState,
  type RolloutVoter,
} from '../distribute/rollout-machine.ts'
import type { RolloutShown } from '../distribute/rollout-view.ts'
import type { Rollout, RolloutRecord } from './rollout-record.ts'

/** A rollout in words and numbers. */
export function shownOf({ app, id, value }: Rollout, context: RolloutContext): RolloutShown {
  const { state, number, epoch, kind, from, waves, policy, startedAt, endedAt, history } = value
  const ended = hasEnded(state)
  return {
    id,
    app,
    release: number,
    epoch,
    kind,
    from: from?.number ?? null,
    state: state.at,
    wave: waveOf(state),
    committed: committedWave(state),
    waves,
    waitsFor: ended ? null : waitsForOf(value, context),
    why: 'why' in state ? state.why : null,
    untilMs: dueMs(state, context.nowMs),
    startedAt,
    endedAt,
    policy,
    history,
  }
}

function waveOf(state: RolloutState): number | null {
  if (state.at === 'paused') return state.before.wave
  return 'wave' in state ? state.wave : null
}

function waitsForOf({ state, waves, from }: RolloutRecord, { voters }: RolloutContext): string {
  const of = (wave: number) => (waves.length === 1 ? '' : ` of wave ${wave + 1} of ${waves.length}`)
  const until = (ms: number) => new Date(Math.min(ms, 8.64e15)).toISOString()
  const there = (wave: number) => voters.filter((voter) => voter.wave === wave && voter.online)
  switch (state.at) {
    case 'approval':
      return `waits for somebody to approve it, until ${until(state.untilMs)}`
    case 'window': {
      const opens = state.opensAtMs === null ? '' : `, which is at ${until(state.opensAtMs)}`
      return `waits for the window${of(state.wave)} to open${opens}`
    }
    case 'preparing': {
      const all = there(state.wave)
      const missing = all.filter(({ stage }) => stage === 'waiting' || stage === 'refused').map(withWhy)
      return `waits for ${names(missing)}${of(state.wave)} to prepare, until ${until(state.untilMs)}`
    }
    case 'committed': {
      const missing = there(state.wave)
        .filter(({ stage }) => stage !== 'confirmed')
        .map(({ node }) => node)
      return `waits for ${names(missing)}${of(state.wave)} to run it and to confirm that, until ${until(state.untilMs)}`
    }
    case 'soaking':
      return `watches the nodes${of(state.wave)} until ${until(state.untilMs)}`
    case 'restoring': {
      if (state.instantMs !== null)
        return `is taken back: nodes run release ${from?.number} again from ${until(state.instantMs)} on`
      const missing = voters.filter(({ online, stage }) => online && stage === 'waiting').map(withWhy)
      return `is taken back: it waits for ${names(missing)} to prepare release ${from?.number}, until ${until(state.untilMs)}`
    }
    case 'paused':
      return `is paused, and waits for somebody to resume it, until ${until(state.untilMs)}`
    default:
      return state.why
  }
}

/** A node, and what it says of itself. */
const withWhy = ({ node, why }: RolloutVoter): string => (why === null ? node : `${node} (${why})`)

const maxNames = 5

function names(nodes: readonly string[]): string {
  if (nodes.length === 0) return 'the nodes'
  const more = nodes.length - maxNames
  return `${nodes.slice(0, maxNames).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** What there is to say of a state that a rollout comes to. */
export function saysOf({ number, waves }: RolloutRecord, state: RolloutState): string[] {
  const what = (wave: number) => (waves.length === 1 ? '' : `, wave ${wave + 1} of ${waves.length}`)
  switch (state.at) {
    case 'approval':
      return [`Release ${number} waits for approval`]
    case 'window':
      return state.opensAtMs === null ? [] : [`Release ${number} waits for a window${what(state.wave)}`]
    case 'preparing':
      return [`Nodes prepare release ${number}${what(state.wave)}`]
    case 'committed':
      return state.settled ? [] : [`Release ${number} is committed${what(state.wave)}`]
    case 'soaking':
      return []
    case 'paused':
      return [`The rollout of release ${number} is paused`]
    case 'restoring':
      return state.instantMs === null ? [`Release ${number} is to be taken back: ${state.why}`] : []
    case 'done':
      return [`Release ${number} is rolled out`]
    case 'aborted':
      return [`The rollout of release ${number} is aborted: ${state.why}`]
    case 'rolled-back':
      return [`The rollout of release ${number} is taken back: ${state.why}`]
    case 'superseded':
      return [`The rollout of release ${number} ends: ${state.why}`]
  }
}
