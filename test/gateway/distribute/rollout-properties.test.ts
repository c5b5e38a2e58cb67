import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  beginning,
  committedWave,
  dueMs,
  hasEnded,
  type NodeStage,
  next,
  type RolloutEvent,
} from '../../../gateway/distribute/rollout-machine.ts'
import { contextOf, look, t0, voter } from './rollout-moment.ts'

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
