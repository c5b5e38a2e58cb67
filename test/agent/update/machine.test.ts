import { describe, expect, it } from 'vitest'
import { type Found, judge, look, type Verdict, type Watch, type WatchLimits } from '../../../agent/update/machine.ts'

const why = { code: 'trial-died', message: 'it ended' }
const found = (changes: Partial<Found>): Found => ({
  running: 'old',
  current: 'old',
  trial: null,
  reverted: null,
  staged: null,
  ...changes,
})

describe('what an agent has to do first', () => {
  it.each<[string, Partial<Found>, Verdict]>([
    ['nothing is on its way', {}, { kind: 'settled' }],
    ['its installation names no current program', { current: null }, { kind: 'settled' }],
    ['what was given up once is long past', { reverted: { slot: 'new', ...why } }, { kind: 'settled' }],
    ['it was cut after it staged a release', { staged: 'new' }, { kind: 'try' }],
    [
      'it was cut after it staged one that was given up in another epoch, and forgot that',
      { staged: 'new', reverted: { slot: 'other', ...why } },
      { kind: 'try' },
    ],
    ['it is the one on trial', { running: 'new', trial: 'new', staged: 'new' }, { kind: 'watch' }],
    ['it is on trial and its install file is gone', { running: 'new', trial: 'new' }, { kind: 'watch' }],
    [
      'it is on trial in an installation without a current program',
      { running: 'new', current: null, trial: 'new' },
      { kind: 'watch' },
    ],
    [
      'it was cut after it became current',
      { running: 'new', current: 'new', trial: 'new', staged: 'new' },
      { kind: 'confirmed' },
    ],
    ['it was cut after its trial ended', { running: 'new', current: 'new', staged: 'new' }, { kind: 'confirmed' }],
    [
      'it was cut after it gave itself up',
      { running: 'new', trial: 'new', staged: 'new', reverted: { slot: 'new', ...why } },
      { kind: 'give-up', ...why },
    ],
    ['the launcher went back to it', { staged: 'new', reverted: { slot: 'new', ...why } }, { kind: 'failed', ...why }],
    [
      'the launcher does not start what is on trial',
      { staged: 'new', trial: 'new' },
      { kind: 'failed', code: 'trial-died', message: 'The launcher did not start it' },
    ],
  ])('%s', (_, changes, verdict) => {
    expect(judge(found(changes))).toEqual(verdict)
  })
})

describe('an agent on trial', () => {
  const limits: WatchLimits = { holdMs: 30, deadlineMs: 300 }
  const began: Watch = { beganMs: 0, healthySinceMs: null, connected: false }
  const healthy: Watch = { beganMs: 0, healthySinceMs: 100, connected: true }
  const ill: Watch = { beganMs: 0, healthySinceMs: null, connected: true }

  it.each<[string, Watch, Parameters<typeof look>[1], number | null, unknown]>([
    ['waits while it is not connected', began, { nowMs: 299, online: false, missing: [] }, null, 'wait'],
    ['begins to hold when it is', began, { nowMs: 5, online: true, missing: [] }, 5, 'wait'],
    ['holds', healthy, { nowMs: 129, online: true, missing: [] }, 100, 'wait'],
    ['is confirmed when it has held', healthy, { nowMs: 130, online: true, missing: [] }, 100, 'confirm'],
    ['begins anew when the connection is cut', healthy, { nowMs: 129, online: false, missing: [] }, null, 'wait'],
    ['begins anew when an app does not run', healthy, { nowMs: 129, online: true, missing: ['a'] }, null, 'wait'],
    [
      'may hold beyond the deadline',
      { ...healthy, healthySinceMs: 299 },
      { nowMs: 310, online: true, missing: [] },
      299,
      'wait',
    ],
    [
      'is given up when it never connected',
      began,
      { nowMs: 300, online: false, missing: [] },
      null,
      { code: 'trial-offline', message: 'The new agent could not reach its gateway within 0 s' },
    ],
    [
      'is given up when an app does not run that ran before',
      ill,
      { nowMs: 300, online: true, missing: ['a', 'b'] },
      null,
      { code: 'trial-unhealthy', message: 'a, b ran before, and did not under the new agent within 0 s' },
    ],
    [
      'is given up when the connection comes and goes',
      ill,
      { nowMs: 300, online: false, missing: [] },
      null,
      { code: 'trial-unhealthy', message: 'The connection did not hold under the new agent within 0 s' },
    ],
  ])('%s', (_, watch, health, since, outcome) => {
    const seen = look(watch, health, limits)
    expect([seen.watch.healthySinceMs, seen.outcome]).toEqual([since, outcome])
  })
})
