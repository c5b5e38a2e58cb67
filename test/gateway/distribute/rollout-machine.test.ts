import { describe, expect, it, test } from 'vitest'
import {
  beginning,
  leadMs,
  next,
  type RolloutEvent,
  type RolloutState,
} from '../../../gateway/distribute/rollout-machine.ts'
import { rolloutDefaults } from '../../../gateway/distribute/rollout-policy.ts'
import { committed, contextOf, type Given, look, preparing, t0, voter } from './rollout-moment.ts'

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
