import { expect, it } from 'vitest'
import type { ReportEntry } from '../../../src/wire/messages/report.ts'
import { addNode, addRelease, t0, temporaryStore } from '../store/support.ts'
import { type Entry, instance, message, packed, sample, storedValues, testIngest } from './support.ts'

// pi-7 had the instance, was cut off, and handled inputs 11 and 12, which had gone to another node meanwhile; 10 was its own.

function started() {
  const store = temporaryStore()
  addNode(store, 'pi-7')
  addRelease(store, 'greenhouse')
  store.handovers.depart('pi-7', instance, { above: 10, until: null })
  return { store, ...testIngest(store) }
}
type Started = ReturnType<typeof started>

const handled = ({ store }: Started, number: number, effects: number | null): Entry => {
  const { source } = store.meta
  const entry: ReportEntry = { kind: 'handled', ...instance, source, number, outcome: 'ok', effects }
  return { at: t0, entry }
}

it('Of a turn whose input was another node’s nothing is stored, and that is told; what stands around it is stored', () => {
  const own = started()
  const { store, take, told, ingest } = own
  take(
    packed(1, [
      sample(1),
      handled(own, 10, 1),
      sample(2),
      handled(own, 11, 2),
      sample(3),
      message('t', Uint8Array.of(1)),
      sample(4),
    ]),
  )
  ingest.flush()
  expect(storedValues(store)).toEqual([1, 2, 4])
  expect(told.messages).toEqual([])
  const [event] = told.events.flat(2).filter(({ code }) => code === 'turn-passed-over')
  expect(event?.text).toMatch(/sampler@pi-7 handled an input here that was another node's by then.* 2 entries/)
})

it('It is passed over also where a report ends in the middle of it, and another gateway takes the rest', () => {
  const own = started()
  const { store, take } = own
  take(packed(1, [handled(own, 12, 3), sample(1)]))
  const again = testIngest(store)
  again.take(packed(3, [sample(2), sample(3), sample(4)]))
  // The same again changes nothing.
  again.take(packed(1, [handled(own, 12, 3), sample(1), sample(2), sample(3), sample(4), sample(5)]))
  expect(storedValues(store)).toEqual([4, 5])
})

it('What comes after the instance is back is its own again', () => {
  const own = started()
  const { store, take } = own
  store.handovers.depart('pi-7', instance, { until: 12 })
  take(packed(1, [handled(own, 12, 1), sample(1), handled(own, 13, 1), sample(2)]))
  expect(storedValues(store)).toEqual([2])
})

it('What a node published before it let go is passed on when it comes; what it publishes after that is not', () => {
  const store = temporaryStore()
  addNode(store, 'pi-7')
  addRelease(store, 'greenhouse')
  const { take, told, codes, ingest } = testIngest(store, { runsNow: () => false })
  const incarnation = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
  store.handovers.depart('pi-7', instance, { incarnation, number: 1 })
  take(packed(1, [message('before', Uint8Array.of(1)), message('after', Uint8Array.of(2))]))
  ingest.flush()
  expect(told.messages.flat(2).map(({ topic }) => topic)).toEqual(['before'])
  expect(codes()).toContain('not-assigned')
})

it('A journal whose first entry has the number 0 is stored from there on', () => {
  const { store, take } = started()
  take(packed(0, [sample(1), sample(2)]))
  expect(storedValues(store)).toEqual([1, 2])
})
