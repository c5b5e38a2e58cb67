import { HyphaError } from '@hypha/core/errors.ts'
import type { RolloutPolicy } from '@hypha/core/trust/release.ts'
import { isTimeZone } from '@hypha/core/trust/rollout-shape.ts'
import { checkRelease } from '@hypha/core/trust/shape.ts'
import { expect, test } from 'vitest'
import { makeModule, makeRelease } from '../../support/signed.ts'

const policy: RolloutPolicy = {
  waves: null,
  successPercent: null,
  failurePercent: null,
  soakMs: null,
  prepareMs: null,
  approve: false,
  rollback: false,
  windows: [],
  health: [],
}
const window = { label: null, days: [1], fromMinute: 60, toMinute: 120, zone: 'UTC' }
const bound = { module: 'sampler', metric: 'value', min: 0, max: 1 }
const check = (changes: Partial<RolloutPolicy>) =>
  checkRelease(makeRelease({ modules: [makeModule({ name: 'sampler' })], rollout: { ...policy, ...changes } }))

test('A rollout that can be followed is accepted', () => {
  expect(() =>
    check({
      waves: [
        { kind: 'label', label: 'canary' },
        { kind: 'share', percent: 10 },
        { kind: 'label', label: 'late' },
        { kind: 'share', percent: 100 },
      ],
      windows: [window, { ...window, fromMinute: 1_380 }],
      health: [bound, { ...bound, min: null }],
    }),
  ).not.toThrow()
})

test.each<[string, Partial<RolloutPolicy>]>([
  ['none in it', { waves: [] }],
  [
    'waves must rise',
    {
      waves: [
        { kind: 'share', percent: 10 },
        { kind: 'label', label: 'canary' },
        { kind: 'share', percent: 10 },
      ],
    },
  ],
  [
    'two waves are for the label canary',
    {
      waves: [
        { kind: 'label', label: 'canary' },
        { kind: 'label', label: 'canary' },
      ],
    },
  ],
  ['open on no day', { windows: [{ ...window, days: [] }] }],
  ['names a day twice', { windows: [{ ...window, days: [1, 1] }] }],
  ['closes at the minute', { windows: [{ ...window, toMinute: 60 }] }],
  ['at least 2 and at most 1', { health: [{ ...bound, min: 2 }] }],
  ['neither a least', { health: [{ ...bound, min: null, max: null }] }],
  ['is no number', { health: [{ ...bound, max: Number.NaN }] }],
  ["which the release hasn't", { health: [{ ...bound, module: 'ghost' }] }],
])('A release whose rollout makes no sense is refused: %s', (words, changes) => {
  expect(() => check(changes)).toThrow(HyphaError)
  expect(() => check(changes)).toThrow(words)
})

test('A time zone is known by its IANA name', () => {
  expect(['UTC', 'Europe/Berlin', 'Asia/Kathmandu'].map(isTimeZone)).toEqual([true, true, true])
  expect(['', 'Europe/Atlantis', 'nowhere'].map(isTimeZone)).toEqual([false, false, false])
})
