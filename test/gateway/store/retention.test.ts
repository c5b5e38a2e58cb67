import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Rollup } from '../../../gateway/store/rollups.ts'
import { addNode, addSamples, seriesKey, t0, temporaryStore } from './support.ts'

const dayMs = 86_400_000
const policy = { rawDays: 1, minuteDays: 3, hourDays: 10, logDays: 2, eventDays: 4 }
const always = { from: 0, to: t0 + 1_000 * dayMs, limit: 100_000 }

/** What the rollups of these samples should be. */
function expected(samples: readonly (readonly [number, number, number])[], ms: number): Rollup[] {
  const groups = new Map<number, number[]>()
  for (const [at, , value] of samples) groups.set(at - (at % ms), [...(groups.get(at - (at % ms)) ?? []), value])
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([at, values]) => ({
      at,
      min: Math.min(...values),
      max: Math.max(...values),
      sum: values.reduce((a, b) => a + b, 0),
      count: values.length,
    }))
}

it('Rollups are those of all samples, however late they came and whatever retention did in between', async () => {
  const batch = fc.record({
    days: fc.integer({ min: 0, max: 20 }),
    // Whole numbers, so that sums don't depend on the order.
    samples: fc.array(fc.tuple(fc.integer({ min: 0, max: 7_200_000 }), fc.integer({ min: -50, max: 50 })), {
      maxLength: 20,
    }),
    followedBy: fc.constantFrom('nothing', 'step', 'retain'),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 8 }), async (batches) => {
      const store = temporaryStore({ synchronous: 'NORMAL' })
      const now = t0 + 21 * dayMs
      const long = { ...policy, minuteDays: 1_000, hourDays: 1_000 }
      const all: [number, number, number][] = []
      for (const { days, samples, followedBy } of batches) {
        const fresh = samples.map(
          ([at, value], index) => [t0 + days * dayMs + at, all.length + index, value] as [number, number, number],
        )
        all.push(...fresh)
        addSamples(store, seriesKey(), fresh)
        if (followedBy === 'step') store.rollups.step(now, 3)
        if (followedBy === 'retain') await store.retain(now, long)
      }
      while (store.rollups.step(now) > 0);
      expect(store.rollups.history({}, { ...always, by: 'minute' })).toEqual(expected(all, 60_000))
      expect(store.rollups.history({}, { ...always, by: 'hour' })).toEqual(expected(all, 3_600_000))
    }),
    { numRuns: 25 },
  )
})

it('Retention keeps samples, minutes and hours for as long as the policy says, and no longer', async () => {
  const store = temporaryStore()
  addNode(store, 'pi-7')
  const samples = Array.from({ length: 20 * 24 }, (_, hour) => [t0 + hour * 3_600_000, hour, hour] as const)
  addSamples(store, seriesKey(), samples)
  const now = t0 + 20 * dayMs
  store.events.add({ at: t0, node: 'pi-7', app: null, module: null, home: null, code: 'old', text: '' })
  store.events.add({ at: now, node: 'pi-7', app: null, module: null, home: null, code: 'new', text: '' })
  expect(await store.retain(now, policy)).toBeGreaterThan(0)

  const oldest = (at: number | undefined, days: number) => {
    expect(at).toBeGreaterThanOrEqual(now - days * dayMs - 3_600_000)
    expect(at).toBeLessThan(now - days * dayMs + 3_600_000 + 3_600_000)
  }
  oldest(store.series.history({}, always)[0]?.at, policy.rawDays)
  oldest(store.rollups.history({}, { ...always, by: 'minute' })[0]?.at, policy.minuteDays)
  oldest(store.rollups.history({}, { ...always, by: 'hour' })[0]?.at, policy.hourDays)
  expect(store.events.list().map(({ code }) => code)).toEqual(['new'])
  expect(await store.retain(now, policy)).toBe(0)
})

it('A series of which nothing is left goes, and whoever holds its id is told', async () => {
  const store = temporaryStore()
  addSamples(store, seriesKey(), [[t0, 1, 1]])
  const { generation } = store.series
  await store.retain(t0 + dayMs, policy)
  expect(store.series.list()).toHaveLength(1)
  expect(store.series.generation).toBe(generation)
  await store.retain(t0 + 30 * dayMs, policy)
  expect(store.series.list()).toEqual([])
  expect(store.series.generation).toBe(generation + 1)
})

it('Removing many rows lets the gateway work in between', async () => {
  const store = temporaryStore({ synchronous: 'NORMAL' })
  addSamples(
    store,
    seriesKey(),
    Array.from({ length: 30_000 }, (_, n) => [t0 + n * 1_000, n, n] as const),
  )
  let turns = 0
  const count = () => {
    turns++
    running = setImmediate(count)
  }
  let running = setImmediate(count)
  await store.retain(t0 + 30 * dayMs, policy)
  clearImmediate(running)
  expect(turns).toBeGreaterThanOrEqual(6)
})

it('NaN is kept as a sample, and counts in no rollup', () => {
  const store = temporaryStore()
  addSamples(store, seriesKey(), [
    [t0, 1, Number.NaN],
    [t0 + 1, 2, 4],
    [t0 + 100_000, 3, Number.NaN],
    [t0 + 200_000, 4, Number.POSITIVE_INFINITY],
  ])
  store.rollups.step(t0 + 10_000_000)
  expect(store.series.history({}, always).map(({ value }) => value)).toEqual([
    Number.NaN,
    4,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ])
  expect(store.rollups.history({}, { ...always, by: 'minute' })).toMatchObject([
    { min: 4, max: 4, sum: 4, count: 1 },
    { min: null, sum: null, count: 0 },
    { max: Number.POSITIVE_INFINITY, count: 1 },
  ])
})
