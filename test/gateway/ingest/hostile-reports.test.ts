import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Report } from '../../../src/wire/messages/report.ts'
import { report } from '../../../src/wire/messages/report.ts'
import { addNode, addRelease, t0, temporaryStore } from '../store/support.ts'
import { packed, packReport, sample, storedValues, testIngest } from './support.ts'

const started = (options = {}) => {
  const store = temporaryStore()
  addNode(store, 'pi-7')
  addRelease(store, 'greenhouse')
  return { store, ...testIngest(store, options) }
}

const good = packReport(1, [sample(1), { at: t0, entry: { kind: 'gap', upToMs: 5, reason: 'power cut' } }, sample(3)])

const bad: [string, Partial<Report>][] = [
  ['columns of different lengths', { samples: { ...good.samples, value: good.samples.value.slice(1) } }],
  ['an odd column', { samples: { ...good.samples, series: new Uint8Array(3) } }],
  ['a series that is not there', { series: [] }],
  ['an offset beyond the count', { count: 2 }],
  ['offsets that fall', { samples: { ...good.samples, offset: new Uint8Array([2, 0, 0, 0]) } }],
  ['an offset twice', { samples: { ...good.samples, offset: new Uint8Array([1, 0, 2, 0]) } }],
  ['an entry beyond the count', { entries: [{ ...good.entries[0]!, offset: 3 }] }],
  ['numbers beyond what can be', { first: Number.MAX_SAFE_INTEGER }],
  ['a time beyond what can be', { baseMs: Number.MAX_SAFE_INTEGER }],
  ['an end before its beginning', { after: 1 }],
]

describe('a report is refused with an event, and not acknowledged, if it has', () => {
  it.each(bad)('%s', (_, over) => {
    const { store, take } = started()
    expect(take(report.encode({ ...good, ...over }))).toBeNull()
    expect(storedValues(store)).toEqual([])
    expect(store.events.list()).toMatchObject([{ node: 'pi-7', code: 'report-malformed' }])
    expect(take(report.encode(good))).toMatchObject({ upTo: 3 })
    expect(storedValues(store)).toEqual([1, 3])
  })
})

it('Bytes of any kind end in an event or in the store, never in an exception', () => {
  const { store, ingest } = started()
  const whole = report.encode(good)
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, byte]) => whole.with(at, byte)),
        fc.nat(whole.length).map((length) => whole.slice(0, length)),
      ),
      (bytes) => {
        ingest.onReport('pi-7', bytes)
        ingest.onState('pi-7', bytes)
        ingest.onPresence('pi-7', bytes)
        ingest.flush()
      },
    ),
    { numRuns: 400 },
  )
  expect(store.events.list().length).toBeGreaterThan(0)
})

it('A node that sends nonsense without end gets one event a minute', () => {
  let now = t0
  const { store, take } = started({ now: () => now })
  for (let count = 0; count < 500; count++) take(new Uint8Array([1, 2, 3]))
  expect(store.events.list()).toHaveLength(1)
  now += 60_000
  take(new Uint8Array([1, 2, 3]))
  expect(store.events.list()[1]!.text).toContain('499 more')
})

it('A node that makes series without end is stopped at its limit, and what it had before goes on', () => {
  const { store, take } = started({ limits: { maxSeriesPerNode: 10 } })
  take(
    packed(
      1,
      Array.from({ length: 50 }, (_, n) => sample(n, t0 + n, `metric-${n}`)),
    ),
  )
  expect(store.series.list()).toHaveLength(10)
  expect(store.events.list().map(({ code }) => code)).toEqual(['report-refused'])
  take(packed(51, [sample(1, t0 + 100, 'metric-3')]))
  expect(storedValues(store)).toHaveLength(11)
})

it('A node that begins a new journal with each report keeps only so many marks', () => {
  const { store, take } = started({ limits: { maxJournals: 4 } })
  const rows = () => (store.db.prepare('SELECT count(*) AS n FROM marks').get() as { n: number }).n
  for (let count = 0; count < 20; count++)
    take(packed(1, [sample(count)], { incarnation: new Uint8Array(8).fill(count) }))
  expect(rows()).toBe(4)
})

it('What a node says for an app or a device that is not there leaves nothing behind, and is acknowledged', async () => {
  const { store, take, told } = started()
  take(packed(1, [sample(1)]))
  await store.removeApp('greenhouse')
  const entry = { kind: 'log', app: 'greenhouse', module: 'sampler', home: 'pi-7', level: 'info', text: 'hi' } as const
  expect(take(packed(2, [sample(2), { at: t0, entry }]))).toMatchObject({ upTo: 3 })
  expect([store.series.list(), store.logs.list(), store.events.list()]).toEqual([[], [], []])
  expect(told.failed).toEqual([])
  await store.removeNode('pi-7')
  expect(take(packed(4, [sample(4)]))).toBeNull()
  expect(store.marks.get('pi-7', good.incarnation)).toBeNull()
})

it('What a node says for an instance that is not its own is passed over with an event', () => {
  const { store, take } = started({ mayReport: (node: string) => node !== 'pi-7' })
  expect(take(report.encode(good))).toMatchObject({ upTo: 3 })
  expect(storedValues(store)).toEqual([])
  expect(store.events.list().map(({ code }) => code)).toEqual(['gap', 'not-assigned'])
})

it('A clock that is far ahead is stored as the time of receipt, with an event', () => {
  const { store, take, told } = started({ now: () => t0 })
  take(packed(1, [sample(1, t0 - 5), sample(2, t0 + 40 * 86_400_000)]))
  expect(store.series.history({}, { from: 0, to: t0 * 2 }).map(({ at }) => at)).toEqual([t0 - 5, t0])
  expect(store.events.list().map(({ code }) => code)).toEqual(['clock-ahead'])
  expect(told.values).toEqual([])
})
