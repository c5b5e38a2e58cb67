import fc from 'fast-check'
import { expect, test } from 'vitest'
import { windowOf, windowsAt } from '../../../gateway/distribute/windows.ts'

const all = [0, 1, 2, 3, 4, 5, 6]
const window = (changes: Partial<Parameters<typeof windowOf>[0][number]>) => ({
  label: null,
  days: all,
  fromMinute: 120,
  toMinute: 300,
  zone: 'UTC',
  ...changes,
})
const at = (text: string) => Date.parse(text)
const opening = (windows: Parameters<typeof windowOf>[0], text: string, labels: string[] = []) => {
  const { open, opensAtMs } = windowOf(windows, labels, at(text))
  return open ? 'open' : opensAtMs === null ? 'never' : new Date(opensAtMs).toISOString()
}

test('A node without windows may always change', () => {
  expect(opening([], '2026-03-02T12:00:00Z')).toBe('open')
  expect(opening([window({ label: 'metered' })], '2026-03-02T12:00:00Z', ['canary'])).toBe('open')
})

test('A window is open from its first minute until before its last', () => {
  expect(opening([window({})], '2026-03-02T01:59:59.999Z')).toBe('2026-03-02T02:00:00.000Z')
  expect(opening([window({})], '2026-03-02T02:00:00Z')).toBe('open')
  expect(opening([window({})], '2026-03-02T04:59:59.999Z')).toBe('open')
  expect(opening([window({})], '2026-03-02T05:00:00Z')).toBe('2026-03-03T02:00:00.000Z')
})

test('A window over midnight belongs to the day on which it opens', () => {
  const night = [window({ days: [1], fromMinute: 1_350, toMinute: 300 })]
  // 2026-03-02 is a Monday.
  expect(opening(night, '2026-03-02T23:00:00Z')).toBe('open')
  expect(opening(night, '2026-03-03T04:00:00Z')).toBe('open')
  expect(opening(night, '2026-03-02T04:00:00Z')).toBe('2026-03-02T22:30:00.000Z')
  expect(opening(night, '2026-03-03T05:00:00Z')).toBe('2026-03-09T22:30:00.000Z')
})

test('A window until 24:00 ends with its day', () => {
  const day = [window({ days: [1], fromMinute: 0, toMinute: 1_440 })]
  expect(opening(day, '2026-03-02T23:59:59Z')).toBe('open')
  expect(opening(day, '2026-03-03T00:00:00Z')).toBe('2026-03-09T00:00:00.000Z')
})

test('Windows with a label of the node count in place of those for all', () => {
  const windows = [window({}), window({ label: 'metered', fromMinute: 600, toMinute: 660 })]
  expect(opening(windows, '2026-03-02T03:00:00Z')).toBe('open')
  expect(opening(windows, '2026-03-02T03:00:00Z', ['metered'])).toBe('2026-03-02T10:00:00.000Z')
  expect(opening(windows, '2026-03-02T10:30:00Z', ['metered'])).toBe('open')
})

test('The next of several windows is what is waited for', () => {
  const windows = [window({ days: [5] }), window({ days: [3] })]
  expect(opening(windows, '2026-03-02T03:00:00Z')).toBe('2026-03-04T02:00:00.000Z')
})

test('A window keeps to the clocks of its zone, in summer and in winter', () => {
  const berlin = [window({ zone: 'Europe/Berlin' })]
  expect(opening(berlin, '2026-01-15T00:30:00Z')).toBe('2026-01-15T01:00:00.000Z')
  expect(opening(berlin, '2026-07-15T00:30:00Z')).toBe('open')
  const kathmandu = [window({ zone: 'Asia/Kathmandu' })]
  expect(opening(kathmandu, '2026-07-15T12:00:00Z')).toBe('2026-07-15T20:15:00.000Z')
})

test('The day is that of the zone, not that of Greenwich', () => {
  const sunday = [window({ days: [0], fromMinute: 0, toMinute: 60, zone: 'Pacific/Auckland' })]
  expect(opening(sunday, '2026-07-04T12:30:00Z')).toBe('open')
})

test('A time that clocks skip in spring is as much later', () => {
  const skipped = [window({ days: [0], fromMinute: 135, toMinute: 165, zone: 'Europe/Berlin' })]
  // 2026-03-29: 02:00 becomes 03:00.
  expect(opening(skipped, '2026-03-29T01:14:59Z')).toBe('2026-03-29T01:15:00.000Z')
  expect(opening(skipped, '2026-03-29T01:30:00Z')).toBe('open')
  expect(opening(skipped, '2026-03-29T01:45:00Z')).toBe('2026-04-05T00:15:00.000Z')
})

test('An hour that clocks show twice in autumn is open twice', () => {
  const twice = [window({ days: [0], fromMinute: 120, toMinute: 180, zone: 'Europe/Berlin' })]
  // 2026-10-25: 03:00 becomes 02:00.
  expect(opening(twice, '2026-10-25T00:00:00Z')).toBe('open')
  expect(opening(twice, '2026-10-25T01:59:00Z')).toBe('open')
  expect(opening(twice, '2026-10-25T02:00:00Z')).toBe('2026-11-01T01:00:00.000Z')
})

test('Whenever a window is said to open, it is open then, and a moment before it is not', () => {
  const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata')
  const any = fc.record({
    label: fc.constant(null),
    days: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1 }),
    fromMinute: fc.integer({ min: 0, max: 1_439 }),
    toMinute: fc.integer({ min: 0, max: 1_440 }),
    zone: zones,
  })
  const moment = fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2027-12-31T00:00:00Z') })
  fc.assert(
    fc.property(fc.array(any, { minLength: 1, maxLength: 3 }), moment, (windows, nowMs) => {
      fc.pre(windows.every(({ fromMinute, toMinute }) => fromMinute !== toMinute))
      const { open, opensAtMs } = windowsAt(windows, nowMs)([])
      if (open) return
      expect(opensAtMs).toBeGreaterThan(nowMs)
      expect(windowOf(windows, [], opensAtMs!).open).toBe(true)
      expect(windowOf(windows, [], opensAtMs! - 1).open).toBe(false)
    }),
    { numRuns: 200 },
  )
})
