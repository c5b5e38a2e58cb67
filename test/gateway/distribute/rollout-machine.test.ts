import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import {
  beginning,
  committedWave,
  dueMs,
  hasEnded,
  leadMs,
  type NodeStage,
  next,
  type RolloutContext,
  type RolloutEvent,
  type RolloutState,
  type RolloutVoter,
} from '../../../gateway/distribute/rollout-machine.ts'
import { policyOf, type RolloutOptions, rolloutDefaults } from '../../../gateway/distribute/rollout-policy.ts'

const t0 = 1_800_000_000_000

const voter = (node: string, stage: NodeStage, over: Partial<RolloutVoter> = {}): RolloutVoter => ({
  node,
  wave: 0,
  online: true,
  stage,
  why: null,
  clock: { rttMs: 2, errorMs: 1 },
  ...over,
})

interface Given extends Partial<Omit<RolloutContext, 'policy' | 'window'>> {
  readonly policy?: RolloutOptions
  readonly open?: boolean
}

const contextOf = ({ policy = {}, open = true, ...over }: Given = {}): RolloutContext => ({
  nowMs: t0,
  policy: policyOf(null, policy),
  waves: 1,
  voters: [voter('a', 'waiting')],
  health: null,
  window: () => ({ open, opensAtMs: open ? null : t0 + 3_600_000 }),
  canRestore: true,
  ...over,
})

const look: RolloutEvent = { kind: 'look' }
const preparing = (wave = 0): RolloutState => ({ at: 'preparing', wave, untilMs: t0 + 1_000 })
const committed = (over = {}): RolloutState => ({
  at: 'committed',
  wave: 0,
  instantMs: t0,
  untilMs: t0 + 60_000,
  settled: false,
  pause: false,
  ...over,
})

describe('a step', () => {
  it.each<[string, RolloutState, RolloutEvent, Given, Partial<RolloutState>, string[]]>([
    ['waits for approval', { at: 'approval', untilMs: t0 + 9 }, look, {}, { at: 'approval' }, []],
    [
      'prepares once approved',
      { at: 'approval', untilMs: t0 + 9 },
      { kind: 'approve' },
      {},
      { at: 'preparing' },
      ['direct'],
    ],
    ['ends where nobody approves', { at: 'approval', untilMs: t0 }, look, {}, { at: 'aborted' }, ['direct']],
    ['waits for a window', beginning(contextOf()), look, { open: false }, { at: 'window', wave: 0 }, []],
    [
      'commits once all have prepared',
      preparing(),
      look,
      { voters: [voter('a', 'prepared'), voter('b', 'prepared')] },
      { at: 'committed', instantMs: t0 + 60 },
      ['commit'],
    ],
    [
      'waits for one that has not',
      preparing(),
      look,
      { voters: [voter('a', 'prepared'), voter('b', 'waiting')] },
      { at: 'preparing' },
      [],
    ],
    [
      'waits for nobody who is away',
      preparing(),
      look,
      { voters: [voter('a', 'prepared'), voter('b', 'waiting', { online: false })] },
      { at: 'committed' },
      ['commit'],
    ],
    [
      'commits with as many as are asked for',
      preparing(),
      look,
      { policy: { successPercent: 50 }, voters: [voter('a', 'prepared'), voter('b', 'refused')] },
      { at: 'committed' },
      ['commit'],
    ],
    [
      'ends at the deadline',
      preparing(),
      look,
      { nowMs: t0 + 1_000, voters: [voter('a', 'prepared'), voter('b', 'waiting')] },
      { at: 'aborted' },
      ['direct'],
    ],
    [
      'ends as soon as too many refuse',
      preparing(),
      look,
      { voters: [voter('a', 'prepared'), voter('b', 'refused', { why: 'too large' })] },
      { at: 'aborted', why: 'b is refused (too large); 2 of 2 must' } as never,
      ['direct'],
    ],
    [
      'takes back earlier waves then',
      preparing(1),
      look,
      { waves: 2, voters: [voter('a', 'confirmed'), voter('b', 'refused', { wave: 1 })] },
      { at: 'restoring' },
      ['restore'],
    ],
    [
      'takes nothing back where that is not wanted',
      preparing(1),
      look,
      { waves: 2, policy: { rollback: false }, voters: [voter('a', 'confirmed'), voter('b', 'refused', { wave: 1 })] },
      { at: 'aborted' },
      ['direct'],
    ],
    [
      'waits for the instant',
      committed({ instantMs: t0 + 1 }),
      look,
      { voters: [voter('a', 'flipped')] },
      { at: 'committed', settled: false } as never,
      [],
    ],
    [
      'tells for good once all have flipped',
      committed(),
      look,
      { voters: [voter('a', 'flipped')] },
      { at: 'committed', settled: true } as never,
      ['direct'],
    ],
    [
      'tells for good in time, whoever is silent',
      committed(),
      look,
      { nowMs: t0 + rolloutDefaults.settleMs, voters: [voter('a', 'prepared')] },
      { at: 'committed', settled: true } as never,
      ['direct'],
    ],
    [
      'is done when all have confirmed',
      committed({ settled: true }),
      look,
      { voters: [voter('a', 'confirmed')] },
      { at: 'done' },
      ['direct'],
    ],
    [
      'is taken back when one fails',
      committed(),
      look,
      { voters: [voter('a', 'confirmed'), voter('b', 'failed')] },
      { at: 'restoring' },
      ['restore'],
    ],
    [
      'is taken back when one never flips',
      committed({ settled: true }),
      look,
      { nowMs: t0 + 60_000, voters: [voter('a', 'confirmed'), voter('b', 'prepared')] },
      { at: 'restoring' },
      ['restore'],
    ],
    [
      'leaves one that came late its time',
      committed({ settled: true }),
      look,
      { nowMs: t0 + 60_000, voters: [voter('a', 'confirmed'), voter('b', 'waiting')] },
      { at: 'done' },
      ['direct'],
    ],
    [
      'bears as many failures as are allowed',
      committed({ settled: true }),
      look,
      { policy: { failurePercent: 50 }, voters: [voter('a', 'confirmed'), voter('b', 'failed')] },
      { at: 'done' },
      ['direct'],
    ],
    [
      'is taken back when the app is ill',
      committed({ settled: true }),
      look,
      { health: 'a trapped', voters: [voter('a', 'flipped')] },
      { at: 'restoring' },
      ['restore'],
    ],
    [
      'ends as it is where there is nothing to go back to',
      committed(),
      look,
      { canRestore: false, voters: [voter('b', 'failed')] },
      { at: 'aborted' },
      ['direct'],
    ],
    [
      'watches a wave before the next',
      committed({ settled: true }),
      look,
      { waves: 2, voters: [voter('a', 'confirmed')] },
      { at: 'soaking', untilMs: t0 + 30_000 },
      [],
    ],
    [
      'goes on to the next wave',
      { at: 'soaking', wave: 0, untilMs: t0 },
      look,
      { waves: 2, voters: [voter('a', 'confirmed'), voter('b', 'waiting', { wave: 1 })] },
      { at: 'preparing', wave: 1 },
      ['direct'],
    ],
    [
      'pauses before a commit',
      preparing(),
      { kind: 'pause' },
      { voters: [voter('a', 'prepared')] },
      { at: 'paused' },
      [],
    ],
    [
      'pauses after a wave that is committed',
      committed({ settled: true, pause: true }),
      look,
      { waves: 2, voters: [voter('a', 'confirmed')] },
      { at: 'paused' },
      [],
    ],
    [
      'takes back what fails in a pause',
      { at: 'paused', before: { at: 'soaking', wave: 0, untilMs: t0 }, untilMs: t0 + 9 },
      look,
      { waves: 2, voters: [voter('a', 'failed')] },
      { at: 'rolled-back' },
      ['restore'],
    ],
    [
      'goes on after a pause with its whole time',
      { at: 'paused', before: preparing() as never, untilMs: t0 + 9 },
      { kind: 'resume' },
      {},
      { at: 'preparing', untilMs: t0 + rolloutDefaults.prepareMs },
      [],
    ],
    [
      'ends a pause that nobody ends',
      { at: 'paused', before: preparing() as never, untilMs: t0 },
      look,
      {},
      { at: 'aborted' },
      ['direct'],
    ],
    [
      'is dropped for a newer one',
      preparing(),
      { kind: 'superseded', why: 'newer' },
      {},
      { at: 'superseded', why: 'newer' } as never,
      ['direct'],
    ],
  ])('%s', (_, state, event, given, expected, actions) => {
    const step = next(state, event, contextOf(given))
    expect(step.state).toMatchObject(expected)
    expect(step.actions.map(({ kind }) => kind)).toEqual(actions)
  })
})

test('A commit goes out as early as the worst of its nodes needs, and never ten seconds before', () => {
  const lead = (rttMs: number, errorMs: number) =>
    leadMs([voter('a', 'prepared', { clock: { rttMs, errorMs } })], false)
  expect(lead(1, 1)).toBe(50)
  expect(lead(200, 100)).toBe(501)
  expect(lead(60_000, 1)).toBe(10_000)
  expect(leadMs([voter('a', 'prepared', { clock: null })], false)).toBe(50)
  expect(leadMs([voter('a', 'prepared', { clock: null })], true)).toBe(250)
  expect(
    leadMs(
      Array.from({ length: 30 }, () => voter('a', 'prepared', { clock: null })),
      false,
    ),
  ).toBe(250)
})

const stages: readonly NodeStage[] = ['waiting', 'prepared', 'refused', 'flipped', 'confirmed', 'failed']

const anyOptions = fc.record({
  successPercent: fc.integer({ min: 1, max: 100 }),
  failurePercent: fc.integer({ min: 0, max: 100 }),
  approve: fc.boolean(),
  rollback: fc.boolean(),
})

const anyMoment = fc.record({
  event: fc.constantFrom<RolloutEvent['kind']>(
    'look',
    'look',
    'look',
    'approve',
    'pause',
    'resume',
    'abort',
    'rollback',
    'superseded',
  ),
  passesMs: fc.constantFrom(0, 1, 60, 5_000, 40_000, 700_000, 8 * 86_400_000),
  stages: fc.array(fc.tuple(fc.constantFrom(...stages), fc.boolean()), { minLength: 4, maxLength: 4 }),
  well: fc.boolean(),
  open: fc.boolean(),
})

const eventOf = (kind: RolloutEvent['kind']): RolloutEvent =>
  kind === 'abort' || kind === 'rollback' || kind === 'superseded' ? { kind, why: 'said so' } : { kind }

test('Whatever nodes and people do: waves come in their order, each is committed once and after its approval, none after the end, and every state has a deadline', () => {
  fc.assert(
    fc.property(
      anyOptions,
      fc.integer({ min: 1, max: 3 }),
      fc.array(anyMoment, { maxLength: 30 }),
      (policy, waves, moments) => {
        let nowMs = t0
        let approved = !policy.approve
        let state = beginning(contextOf({ policy }))
        const instants: number[] = []
        for (const moment of moments) {
          nowMs += moment.passesMs
          const voters = moment.stages.map(([stage, online], index) =>
            voter(`n${index}`, stage, { online, wave: index % waves }),
          )
          const health = moment.well ? null : 'it is ill'
          const context = contextOf({ policy, waves, voters, nowMs, health, open: moment.open })
          approved ||= moment.event === 'approve' && state.at === 'approval'
          const before = state
          const step = next(before, eventOf(moment.event), context)
          state = step.state
          for (const action of step.actions) {
            if (action.kind === 'restore') expect(instants.length).toBeGreaterThan(0)
            if (action.kind !== 'commit') continue
            expect(approved).toBe(true)
            expect(hasEnded(before)).toBe(false)
            if (before.at === 'restoring') {
              expect(before.instantMs).toBeNull()
              continue
            }
            expect(action.wave).toBe(instants.length)
            expect(action.wave).toBeLessThan(waves)
            expect(action.instantMs).toBeGreaterThanOrEqual(nowMs + 40)
            instants.push(action.instantMs)
          }
          expect(committedWave(state)).toBe(instants.length - 1)
          if (state.at === 'done') expect(instants).toHaveLength(waves)
          if (hasEnded(before)) expect(step).toEqual({ state: before, actions: [] })
          const due = dueMs(state, nowMs)
          expect(due === null).toBe(hasEnded(state))
          // The same look again changes nothing: a gateway that died goes on from what it wrote down.
          const asksAnew = state.at === 'restoring' && before.at !== 'restoring'
          if (!asksAnew) expect(next(state, look, context)).toEqual({ state, actions: [] })
        }
      },
    ),
    { numRuns: 500 },
  )
})

describe('a release that is taken back', () => {
  const restoring = (over = {}): RolloutState => ({
    at: 'restoring',
    why: 'a is ill',
    wave: 0,
    instantMs: null,
    untilMs: t0 + 1_000,
    ...over,
  })
  it.each<[string, RolloutState, Given, Partial<RolloutState>, string[]]>([
    [
      'waits for its nodes to prepare the one before',
      restoring(),
      { voters: [voter('a', 'prepared'), voter('b', 'waiting')] },
      { at: 'restoring', instantMs: null },
      [],
    ],
    [
      'goes at one instant once they have, whoever can not and whoever is away',
      restoring(),
      { voters: [voter('a', 'prepared'), voter('b', 'refused'), voter('c', 'waiting', { online: false })] },
      { at: 'restoring', instantMs: t0 + 250 },
      ['commit'],
    ],
    [
      'waits for nobody for long',
      restoring(),
      { nowMs: t0 + 1_000, voters: [voter('a', 'prepared'), voter('b', 'waiting')] },
      { at: 'restoring', instantMs: t0 + 1_250 },
      ['commit'],
    ],
    [
      'is told to all at once where nobody could prepare',
      restoring(),
      { voters: [voter('a', 'refused'), voter('b', 'failed')] },
      { at: 'rolled-back', why: 'a is ill' } as never,
      ['restore'],
    ],
    [
      'is well with what may be ill meanwhile',
      restoring({ instantMs: t0 + 1 }),
      { health: 'it is ill', voters: [voter('a', 'failed')] },
      { at: 'restoring' },
      [],
    ],
    [
      'has ended when they have flipped',
      restoring({ instantMs: t0 }),
      { voters: [voter('a', 'flipped'), voter('b', 'failed')] },
      { at: 'rolled-back' },
      ['restore'],
    ],
  ])('%s', (_, state, given, expected, actions) => {
    const step = next(state, look, contextOf(given))
    expect(step.state).toMatchObject(expected)
    expect(step.actions.map(({ kind }) => kind)).toEqual(actions)
  })

  it('is told to all at once where somebody has no patience', () => {
    const step = next(restoring(), { kind: 'abort', why: 'ada has aborted it' }, contextOf())
    expect(step).toMatchObject({ state: { at: 'rolled-back', why: 'a is ill' }, actions: [{ kind: 'restore' }] })
  })

  it('has nothing to prepare where nobody is there who runs it, or before its instant', () => {
    const abort: RolloutEvent = { kind: 'abort', why: 'ada has aborted it' }
    const voters = [voter('a', 'confirmed', { online: false }), voter('b', 'failed')]
    expect(next(committed({ settled: true }), abort, contextOf({ voters })).state.at).toBe('rolled-back')
    const early = committed({ instantMs: t0 + 1 })
    expect(next(early, abort, contextOf({ voters: [voter('a', 'confirmed')] })).state.at).toBe('rolled-back')
  })

  it('is left alone at its instant, as a commit is: the gateway looks when nodes have had time to tell of it', () => {
    for (const state of [committed({ instantMs: t0 + 60 }), restoring({ instantMs: t0 + 60 })]) {
      expect(dueMs(state, t0)).toBeGreaterThan(t0 + 100)
      expect(dueMs(state, t0 + 60)).toBe(dueMs(state, t0))
    }
  })
})

test('Left alone, every rollout ends', () => {
  const anyStage = fc.array(fc.tuple(fc.constantFrom(...stages), fc.boolean()), { minLength: 4, maxLength: 4 })
  fc.assert(
    fc.property(
      anyOptions,
      fc.integer({ min: 1, max: 3 }),
      anyStage,
      fc.boolean(),
      fc.boolean(),
      (policy, waves, given, open, pause) => {
        let nowMs = t0
        const voters = given.map(([stage, online], index) => voter(`n${index}`, stage, { online, wave: index % waves }))
        const context = () => contextOf({ policy, waves, voters, nowMs, open })
        let { state } = next(beginning(context()), pause ? { kind: 'pause' } : look, context())
        for (let steps = 0; steps < 40 && !hasEnded(state); steps++) {
          nowMs = Math.max(nowMs, dueMs(state, nowMs)!)
          state = next(state, look, context()).state
        }
        expect(hasEnded(state)).toBe(true)
      },
    ),
    { numRuns: 300 },
  )
})
