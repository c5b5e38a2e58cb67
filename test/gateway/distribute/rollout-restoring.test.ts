import { describe, expect, it } from 'vitest'
import { dueMs, next, type RolloutEvent, type RolloutState } from '../../../gateway/distribute/rollout-machine.ts'
import { committed, contextOf, type Given, look, t0, voter } from './rollout-moment.ts'

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
