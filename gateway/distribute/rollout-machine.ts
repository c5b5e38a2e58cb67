import { type Policy, rolloutDefaults } from './rollout-policy.ts'

// A rollout's decisions, and nothing beside: no store, no clock, no broker. What is known of the nodes comes in with each event, so that a gateway that died in any state goes on from the state that it wrote down.

/** How far a voter of a wave is with the rollout's epoch. */
export type NodeStage = 'waiting' | 'prepared' | 'refused' | 'flipped' | 'confirmed' | 'failed'

export interface RolloutVoter {
  readonly node: string
  readonly wave: number
  readonly online: boolean
  readonly stage: NodeStage
  /** What it says of itself, in words; null where it says nothing. */
  readonly why: string | null
  /** ms */
  readonly clock: { readonly rttMs: number; readonly errorMs: number } | null
}

/** All that a decision depends on. */
export interface RolloutContext {
  /** The gateway's clock, which never jumps; ms since 1970 with fractions. */
  readonly nowMs: number
  readonly policy: Policy
  /** How many there are. */
  readonly waves: number
  /** Nodes that are to run the new release, or while it is taken back the one before. Who only loses the old one has nothing to prepare, and no vote. */
  readonly voters: readonly RolloutVoter[]
  /** Why the app isn't well where it runs by now, in a sentence; null where it is. */
  readonly health: string | null
  /** Whether a wave may begin now by its nodes' windows. */
  readonly window: (wave: number) => { readonly open: boolean; readonly opensAtMs: number | null }
  /** There is a release to go back to. */
  readonly canRestore: boolean
}

type Ended = 'done' | 'aborted' | 'rolled-back' | 'superseded'

interface Window {
  readonly at: 'window'
  readonly wave: number
  readonly opensAtMs: number | null
  readonly untilMs: number
}
interface Preparing {
  readonly at: 'preparing'
  readonly wave: number
  readonly untilMs: number
}
interface Soaking {
  readonly at: 'soaking'
  readonly wave: number
  readonly untilMs: number
}

/** What runs the new release goes back to the one before, all of it at one instant. */
interface Restoring {
  readonly at: 'restoring'
  readonly why: string
  /** The last wave whose commit was given. */
  readonly wave: number
  /** Null while nodes prepare. */
  readonly instantMs: number | null
  readonly untilMs: number
}

export type RolloutState =
  | { readonly at: 'approval'; readonly untilMs: number }
  | Window
  | Preparing
  | {
      readonly at: 'committed'
      readonly wave: number
      /** By the gateway's clock. */
      readonly instantMs: number
      readonly untilMs: number
      /** The instant has passed, and nodes are told for good. */
      readonly settled: boolean
      /** Somebody has asked for a pause once the wave is through. */
      readonly pause: boolean
    }
  | Soaking
  | { readonly at: 'paused'; readonly before: Window | Preparing | Soaking; readonly untilMs: number }
  | Restoring
  | { readonly at: Ended; readonly atMs: number; readonly why: string; readonly committed: number }

export type RolloutEvent =
  /** Time has passed, or a node has said something. */
  | { readonly kind: 'look' }
  | { readonly kind: 'approve' | 'pause' | 'resume' }
  | { readonly kind: 'abort' | 'rollback' | 'superseded'; readonly why: string }

export type RolloutAction =
  /** Nodes of the wave are to prepare, or nobody is any more, or a wave is told for good: directives are made anew. */
  | { readonly kind: 'direct' }
  | { readonly kind: 'commit'; readonly wave: number; readonly instantMs: number }
  /** The release before is to run again: prepared where the state is `restoring`, else told to everyone at once. */
  | { readonly kind: 'restore' }

export interface Step {
  readonly state: RolloutState
  readonly actions: readonly RolloutAction[]
}

/** The state that a rollout begins in; `look` at once. */
export const beginning = ({ policy, nowMs }: Pick<RolloutContext, 'policy' | 'nowMs'>): RolloutState =>
  policy.approve ? { at: 'approval', untilMs: nowMs + rolloutDefaults.patienceMs } : windowOfWave(0, nowMs)

export const hasEnded = (state: RolloutState): state is Extract<RolloutState, { at: Ended }> =>
  state.at === 'done' || state.at === 'aborted' || state.at === 'rolled-back' || state.at === 'superseded'

/** The last wave whose commit was given; -1 before the first. */
export function committedWave(state: RolloutState): number {
  switch (state.at) {
    case 'approval':
      return -1
    case 'window':
    case 'preparing':
      return state.wave - 1
    case 'committed':
    case 'soaking':
    case 'restoring':
      return state.wave
    case 'paused':
      return committedWave(state.before)
    default:
      return state.committed
  }
}

/** The wave whose nodes are to prepare now; null where none is. */
export function preparingWave(state: RolloutState): number | null {
  if (state.at === 'preparing') return state.wave
  return state.at === 'paused' && state.before.at === 'preparing' ? state.before.wave : null
}

/** So long after an instant the gateway looks at it: at the instant itself nobody has told of it yet, and whoever shares a machine with the gateway is to have that machine. */
const quietMs = 100

/** When something happens by itself at the latest; null for what has ended. */
export function dueMs(state: RolloutState, nowMs: number): number | null {
  if (hasEnded(state)) return null
  if ((state.at === 'committed' && !state.settled) || (state.at === 'restoring' && state.instantMs !== null)) {
    const quietUntilMs = state.instantMs! + quietMs
    if (nowMs < quietUntilMs) return quietUntilMs
    if (state.at === 'committed') return state.instantMs + rolloutDefaults.settleMs
  }
  if (state.at === 'window' && state.opensAtMs !== null && state.opensAtMs > nowMs)
    return Math.min(state.opensAtMs, state.untilMs)
  return state.untilMs
}

/** From this on, a node that is late was busier than others can wait for. */
const snapLeadMs = 250
/** The more nodes, the likelier that one is busy when the commit comes: a few tens of milliseconds for one. */
const leastLeadMs = (nodes: number) => Math.min(snapLeadMs, 40 + 10 * nodes)
/** Of the gateway, and of the nodes where many share a machine. */
const perNodeLeadMs = 1

/**
 * How long before its instant a commit is given, in ms: twice the worst round trip, for it is one way and has to be written down; the worst error of a clock; and what it takes to
 * write to so many sockets. Some time at least: whoever is busy, here or there, must have come to it by then (`bench snap`); where all are to flip at once, all of it.
 */
export function leadMs(voters: readonly RolloutVoter[], snap: boolean): number {
  const rtt = Math.max(0, ...voters.map(({ clock }) => clock?.rttMs ?? 0))
  const error = Math.max(0, ...voters.map(({ clock }) => clock?.errorMs ?? 0))
  const least = snap ? snapLeadMs : leastLeadMs(voters.length)
  return Math.min(10_000, Math.max(least, 2 * rtt + error + perNodeLeadMs * voters.length))
}

/** What comes of an event. A state that has ended stays as it is. */
export function next(state: RolloutState, event: RolloutEvent, context: RolloutContext): Step {
  if (hasEnded(state)) return { state, actions: [] }
  const asked = ask(state, event, context)
  // One look may carry it over several states: a window that is open, a soak of no time.
  let step = asked
  for (;;) {
    // From here on nodes are asked about another release than this context says.
    if (step.state.at === 'restoring' && state.at !== 'restoring') return step
    const after = look(step.state, context)
    if (after === null) return step
    step = { state: after.state, actions: [...step.actions, ...after.actions] }
  }
}

function ask(state: Exclude<RolloutState, { at: Ended }>, event: RolloutEvent, context: RolloutContext): Step {
  const { nowMs } = context
  switch (event.kind) {
    case 'look':
      return stay(state)
    case 'approve':
      return state.at === 'approval' ? stay(windowOfWave(0, nowMs)) : stay(state)
    case 'pause':
      if (state.at === 'committed') return stay({ ...state, pause: true })
      return state.at === 'approval' || state.at === 'paused' || state.at === 'restoring'
        ? stay(state)
        : stay(paused(state, nowMs))
    case 'resume':
      if (state.at === 'committed') return stay({ ...state, pause: false })
      return state.at === 'paused' ? stay(resumed(state.before, context)) : stay(state)
    case 'abort':
      // Who doesn't want to wait for the nodes any more.
      if (state.at === 'restoring') return restored(state, nowMs)
      return fail(state, event.why, context, context.policy.rollback)
    case 'rollback':
      return state.at === 'restoring' ? stay(state) : fail(state, event.why, context, true)
    case 'superseded':
      return end(state, 'superseded', event.why, nowMs, [{ kind: 'direct' }])
  }
}

/** The next state that time and nodes bring by themselves; null where there is none. */
function look(state: RolloutState, context: RolloutContext): Step | null {
  const { nowMs } = context
  if (hasEnded(state)) return null
  if (state.at === 'restoring') return lookAtRestored(state, context)
  const wrong = failureOf(state, context)
  if (wrong !== null) return fail(state, wrong, context, context.policy.rollback)
  switch (state.at) {
    case 'approval':
      return nowMs < state.untilMs ? null : fail(state, 'nobody has approved it in time', context, false)
    case 'window':
      return lookAtWindow(state, context)
    case 'preparing':
      return lookAtPrepared(state, context)
    case 'committed':
      return lookAtFlips(state, context)
    case 'soaking':
      return nowMs < state.untilMs ? null : afterWave(state, context)
    case 'paused':
      return nowMs < state.untilMs
        ? null
        : fail(state, 'nobody has resumed it in time', context, context.policy.rollback)
  }
}

function lookAtWindow(state: Window, context: RolloutContext): Step | null {
  const { nowMs, policy } = context
  const { open, opensAtMs } = context.window(state.wave)
  if (open) {
    const { wave } = state
    return { state: { at: 'preparing', wave, untilMs: nowMs + policy.prepareMs }, actions: [{ kind: 'direct' }] }
  }
  if (nowMs >= state.untilMs) return fail(state, 'no window of its nodes has opened in time', context, policy.rollback)
  return opensAtMs === state.opensAtMs ? null : stay({ ...state, opensAtMs })
}

function lookAtPrepared(state: Preparing, context: RolloutContext): Step | null {
  const { nowMs, policy } = context
  const there = context.voters.filter(({ wave, online }) => wave === state.wave && online)
  // Who is away catches up from what is retained. Where all are, there is nobody to wait for.
  const needed = Math.ceil((there.length * policy.successPercent) / 100)
  const ready = there.filter(({ stage }) => isPrepared(stage))
  if (ready.length >= needed) {
    const { wave } = state
    const instantMs = Math.ceil(nowMs + leadMs(there, policy.snap))
    const untilMs = instantMs + rolloutDefaults.flipMs
    return {
      state: { at: 'committed', wave, instantMs, untilMs, settled: false, pause: false },
      actions: [{ kind: 'commit', wave, instantMs }],
    }
  }
  const refused = there.filter(({ stage }) => stage === 'refused' || stage === 'failed')
  if (there.length - refused.length < needed) {
    return fail(state, `${told(refused)}; ${quorum(needed, there.length)}`, context, policy.rollback)
  }
  if (nowMs < state.untilMs) return null
  const missing = there.filter(({ stage }) => !isPrepared(stage))
  const text = `${ready.length} of ${there.length} nodes had prepared in time, and ${quorum(needed, there.length)}: ${told(missing)}`
  return fail(state, text, context, policy.rollback)
}

type Committed = Extract<RolloutState, { at: 'committed' }>

function lookAtFlips(state: Committed, context: RolloutContext): Step | null {
  const { nowMs, policy } = context
  if (nowMs < state.instantMs) return null
  const there = context.voters.filter(({ wave, online }) => wave === state.wave && online)
  const flipped = there.every(({ stage }) => stage !== 'waiting' && stage !== 'prepared')
  if (!state.settled && (flipped || nowMs >= state.instantMs + rolloutDefaults.settleMs)) {
    return { state: { ...state, settled: true }, actions: [{ kind: 'direct' }] }
  }
  const through =
    state.settled && there.every(({ stage }) => stage === 'confirmed' || stage === 'failed' || stage === 'refused')
  if (!through && nowMs < state.untilMs) return null
  // A node that had prepared and doesn't say that it has flipped; one that prepares still came late, and catches up.
  const silent = there.filter(({ stage }) => stage === 'prepared')
  if (tooMany(silent.length, there.length, policy)) {
    return fail(state, `${told(silent)}, and did not flip in time`, context, policy.rollback)
  }
  const soakMs = policy.soakMs ?? (context.waves > 1 ? rolloutDefaults.soakBetweenWavesMs : 0)
  const soaking: Soaking = {
    at: 'soaking',
    wave: state.wave,
    untilMs: nowMs + (isLast(state.wave, context) && policy.soakMs === null ? 0 : soakMs),
  }
  return stay(state.pause && !isLast(state.wave, context) ? paused(soaking, nowMs) : soaking)
}

/** An ill release is waited for no longer than its nodes are given, and no refusal keeps it: who hasn't prepared by then goes back when it is told to. */
function lookAtRestored(state: Restoring, context: RolloutContext): Step | null {
  const { nowMs } = context
  const there = context.voters.filter(({ online }) => online)
  if (state.instantMs === null) {
    if (nowMs < state.untilMs && there.some(({ stage }) => stage === 'waiting')) return null
    if (!there.some(({ stage }) => isPrepared(stage))) return restored(state, nowMs)
    const instantMs = Math.ceil(nowMs + leadMs(there, true))
    return {
      state: { ...state, instantMs, untilMs: instantMs + rolloutDefaults.settleMs },
      actions: [{ kind: 'commit', wave: 0, instantMs }],
    }
  }
  if (nowMs < state.instantMs) return null
  const flipped = there.every(({ stage }) => stage !== 'waiting' && stage !== 'prepared')
  return flipped || nowMs >= state.untilMs ? restored(state, nowMs) : null
}

const restored = (state: Restoring, nowMs: number): Step =>
  end(state, 'rolled-back', state.why, nowMs, [{ kind: 'restore' }])

function afterWave({ wave }: Soaking, context: RolloutContext): Step {
  if (!isLast(wave, context)) return stay(windowOfWave(wave + 1, context.nowMs))
  return {
    state: { at: 'done', atMs: context.nowMs, why: 'every node that is there runs it', committed: wave },
    actions: [{ kind: 'direct' }],
  }
}

/** Why the waves that run the new release are no reason to go on; null where they are. */
function failureOf(state: RolloutState, context: RolloutContext): string | null {
  const committed = committedWave(state)
  for (let wave = 0; wave <= committed; wave++) {
    const voters = context.voters.filter((voter) => voter.wave === wave)
    const failed = voters.filter(({ stage }) => stage === 'failed')
    const counted = voters.filter(({ online, stage }) => online || stage === 'failed').length
    if (failed.length > 0 && tooMany(failed.length, counted, context.policy)) return told(failed)
  }
  return committed < 0 || (state.at === 'committed' && !state.settled) ? null : context.health
}

const tooMany = (failed: number, of: number, { failurePercent }: Policy): boolean => failed * 100 > failurePercent * of

const isPrepared = (stage: NodeStage): boolean => stage === 'prepared' || stage === 'flipped' || stage === 'confirmed'

const isLast = (wave: number, { waves }: RolloutContext): boolean => wave >= waves - 1

const windowOfWave = (wave: number, nowMs: number): Window => ({
  at: 'window',
  wave,
  opensAtMs: null,
  untilMs: nowMs + rolloutDefaults.patienceMs,
})

const paused = (before: Window | Preparing | Soaking, nowMs: number): RolloutState => ({
  at: 'paused',
  before,
  untilMs: nowMs + rolloutDefaults.patienceMs,
})

/** With the whole of its time before it again. */
function resumed(before: Window | Preparing | Soaking, { nowMs, policy }: RolloutContext): RolloutState {
  if (before.at === 'preparing') return { ...before, untilMs: nowMs + policy.prepareMs }
  return before.at === 'window' ? windowOfWave(before.wave, nowMs) : before
}

const stay = (state: RolloutState): Step => ({ state, actions: [] })

/** What was prepared and not committed is dropped; what runs the new release goes back where that is wanted and possible. */
function fail(state: RolloutState, why: string, context: RolloutContext, restore: boolean): Step {
  const { nowMs, voters, canRestore } = context
  const wave = committedWave(state)
  const back = restore && canRestore && wave >= 0
  if (!back) return end(state, 'aborted', why, nowMs, [{ kind: 'direct' }])
  const runs = voters.some((voter) => voter.wave <= wave && voter.online && hasFlipped(voter))
  // Before its instant it is called off; where nobody runs it that is there, there is nothing to bring together.
  if (!runs || (state.at === 'committed' && nowMs < state.instantMs)) {
    return end(state, 'rolled-back', why, nowMs, [{ kind: 'restore' }])
  }
  const untilMs = nowMs + rolloutDefaults.restoreMs
  return { state: { at: 'restoring', why, wave, instantMs: null, untilMs }, actions: [{ kind: 'restore' }] }
}

const hasFlipped = ({ stage }: RolloutVoter): boolean => stage === 'flipped' || stage === 'confirmed'

const end = (state: RolloutState, at: Ended, why: string, atMs: number, actions: readonly RolloutAction[]): Step => ({
  state: { at, atMs, why, committed: committedWave(state) },
  actions,
})

const quorum = (needed: number, of: number): string => `${needed} of ${of} must`

const maxTold = 3

function told(voters: readonly RolloutVoter[]): string {
  const first = voters
    .slice(0, maxTold)
    .map(({ node, stage, why }) => `${node} is ${stage}${why === null ? '' : ` (${why})`}`)
  const more = voters.length - first.length
  return `${first.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
