import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bucket, Buckets } from '../../../gateway/broker/bucket.ts'
import { ReportLimiter } from '../../../gateway/broker/denials.ts'
import { RetainedUsage } from '../../../gateway/broker/retained-usage.ts'

test('a bucket gives what it has saved, and then what comes in', () => {
  const bucket = new Bucket({ perSecond: 10, burst: 3 }, 0)
  expect([1, 2, 3, 4].map(() => bucket.take(1, 0))).toEqual([true, true, true, false])
  expect(bucket.take(1, 99)).toBe(false)
  expect(bucket.take(1, 100)).toBe(true)
  expect(bucket.isFull(10_000)).toBe(true)
})

test('a debt is paid off before anything else, and a clock that is set back changes nothing', () => {
  const bucket = new Bucket({ perSecond: 10, burst: 3 }, 1_000)
  bucket.charge(13, 1_000)
  expect(bucket.waitMs(1_000)).toBe(1_000)
  expect(bucket.waitMs(0)).toBe(1_000)
  expect(bucket.waitMs(1_000)).toBe(0)
})

test('a bucket never gives more than its burst and its rate together', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ after: fc.nat(500), cost: fc.nat(5) }), { maxLength: 100 }), (steps) => {
      const bucket = new Bucket({ perSecond: 20, burst: 10 }, 0)
      let [now, given] = [0, 0]
      for (const { after, cost } of steps) {
        now += after
        if (bucket.take(cost, now)) given += cost
      }
      expect(given).toBeLessThanOrEqual(10 + (20 * now) / 1000 + 1e-9)
    }),
  )
})

test('buckets that were not used for the longest make room for new names', () => {
  const buckets = new Buckets({ perSecond: 1, burst: 1 }, 2)
  buckets.of('a', 0).take(1, 0)
  buckets.of('b', 0).take(1, 0)
  buckets.of('a', 0)
  buckets.of('c', 0)
  expect(buckets.of('a', 0).take(1, 0)).toBe(false)
  expect(buckets.of('b', 0).take(1, 0)).toBe(true)
})

test('reports about one name leave room for others, and tell how many there were', () => {
  let now = 0
  const reports = new ReportLimiter(() => now, {
    each: { perSecond: 1, burst: 2 },
    all: { perSecond: 1_000, burst: 100 },
  })
  expect([1, 2, 3, 4].map(() => reports.admit('pi-1'))).toEqual([0, 0, null, null])
  expect(reports.admit('pi-2')).toBe(0)
  now += 1_000
  expect(reports.admit('pi-1')).toBe(2)
})

test('reports about made-up names have a bound all together', () => {
  const reports = new ReportLimiter(() => 0, { each: { perSecond: 1, burst: 2 }, all: { perSecond: 1, burst: 5 } })
  const told = Array.from({ length: 30_000 }, (_, index) => reports.admit(`name-${index}`)).filter(
    (more) => more !== null,
  )
  expect(told).toHaveLength(5)
})

test('retained messages count for who wrote them last, and no more when they are gone', () => {
  const retained = new Set<string>()
  const usage = new RetainedUsage({ maxRetainedPerClient: 2, maxRetainedBytesPerClient: 100 }, (topic) =>
    retained.has(topic),
  )
  const put = (client: string, topic: string, bytes = 1) => {
    const refusal = usage.note(client, topic, bytes)
    if (refusal === null) retained.add(topic)
    return refusal === null
  }
  expect([put('a', 'x'), put('a', 'y'), put('a', 'z')]).toEqual([true, true, false])
  expect([put('b', 'x'), put('a', 'z')]).toEqual([true, true])
  // Two bytes of y, and the topic's own.
  expect([put('a', 'z', 98), put('a', 'z', 97)]).toEqual([false, true])
  expect(put('a', 'w')).toBe(false)
  retained.delete('y')
  expect(put('a', 'w')).toBe(true)
  usage.note('a', 'z', 0)
  expect(put('a', 'v', 50)).toBe(true)
})
