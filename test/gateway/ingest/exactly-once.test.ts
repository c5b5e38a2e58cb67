import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openStore } from '../../../gateway/store/store.ts'
import { presence } from '../../../src/wire/messages/presence.ts'
import { addNode, addRelease, t0, temporaryPath, temporaryStore } from '../store/support.ts'
import { type Entry, message, packed, sample, storedValues, testIngest } from './support.ts'

const started = () => {
  const store = temporaryStore()
  addNode(store, 'pi-7')
  addRelease(store, 'greenhouse')
  return { store, ...testIngest(store) }
}
const samples = (from: number, to: number): Entry[] =>
  Array.from({ length: to - from }, (_, index) => sample(from + index))

describe('a report', () => {
  it('that comes again is stored once, and acknowledged again', () => {
    const { store, take } = started()
    expect(take(packed(1, samples(1, 5)))).toMatchObject({ upTo: 4 })
    expect(take(packed(1, samples(1, 5)))).toMatchObject({ upTo: 4 })
    expect(storedValues(store)).toEqual([1, 2, 3, 4])
  })

  it('that overlaps what is stored adds only what is new', () => {
    const { store, take } = started()
    take(packed(1, samples(1, 5)))
    expect(take(packed(3, samples(3, 9)))).toMatchObject({ upTo: 8 })
    expect(storedValues(store)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('that overtakes another is held back, so that the other is not taken for old', () => {
    const { store, take, codes } = started()
    take(packed(1, samples(1, 3)))
    expect(take(packed(5, samples(5, 7)))).toMatchObject({ upTo: 2 })
    expect(storedValues(store)).toEqual([1, 2])
    expect(take(packed(3, samples(3, 5)))).toMatchObject({ upTo: 4 })
    expect(take(packed(5, samples(5, 7)))).toMatchObject({ upTo: 6 })
    expect(storedValues(store)).toEqual([1, 2, 3, 4, 5, 6])
    expect(codes()).toEqual([])
  })

  it('that says what was dropped before it is stored without a word', () => {
    const { store, take, codes } = started()
    take(packed(1, samples(1, 3)))
    expect(take(packed(10, [sample(10), null, sample(12)], { after: 2 }))).toMatchObject({ upTo: 12 })
    expect(storedValues(store)).toEqual([1, 2, 10, 12])
    expect(codes()).toEqual([])
  })

  it('that stays the lowest is accepted in the end, with an event for what is missing', () => {
    const { store, take, codes } = started()
    take(packed(1, samples(1, 3)))
    take(packed(8, samples(8, 9)))
    take(packed(8, samples(8, 9)))
    expect(storedValues(store)).toEqual([1, 2])
    expect(take(packed(8, samples(8, 9)))).toMatchObject({ upTo: 8 })
    expect(storedValues(store)).toEqual([1, 2, 8])
    expect(codes()).toEqual(['gap'])
    expect(store.events.list()[0]!.text).toContain('5 entries')
  })

  it('that is the first of a connection shows what the node still has', () => {
    const { store, take, ingest, codes } = started()
    take(packed(1, samples(1, 3)))
    ingest.onPresence('pi-7', presence.encode({ connection: 2, online: true, run: null, journal: null }))
    expect(take(packed(8, samples(8, 9)))).toMatchObject({ upTo: 8 })
    expect(storedValues(store)).toEqual([1, 2, 8])
    expect(codes()).toEqual(['gap'])
  })

  it('of another journal of the same node has its own numbers', () => {
    const { store, take } = started()
    take(packed(1, samples(1, 3)))
    expect(take(packed(1, samples(3, 5), { incarnation: new Uint8Array(8) }))).toMatchObject({ upTo: 2 })
    expect(storedValues(store)).toEqual([1, 2, 3, 4])
  })

  it('without entries is answered with what is stored', () => {
    const { take } = started()
    expect(take(packed(0, []))).toBeNull()
    take(packed(1, samples(1, 3)))
    expect(take(packed(3, []))).toMatchObject({ upTo: 2 })
  })
})

/** What may happen to a packet: reports travel in order on a connection, which may end anywhere; a busy gateway drops one, but not for ever. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const), count: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('drop' as const), count: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('repeat' as const), count: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resend' as const), count: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconnect' as const), count: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), count: fc.constant(0) }) },
)

it('Every entry is stored once, whatever was repeated, overtaken, dropped, cut or killed on the way', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
      const total = 60
      const journal = Array.from({ length: total }, (_, index) =>
        index % 5 === 4 ? message('limit', new Uint8Array([index + 1])) : sample(index + 1, t0 + index),
      )
      const path = temporaryPath()
      const route = () => [{ node: 'edge', app: 'greenhouse', module: 'alarm', home: null }]
      const open = () => {
        const store = openStore(path, { fleet: 'greens', synchronous: 'NORMAL' })
        return { store, ...testIngest(store, { route, limits: { maxQueuedEntries: 20 } }) }
      }
      let gateway = open()
      addNode(gateway.store, 'pi-7')
      addRelease(gateway.store, 'greenhouse')
      let [acked, next, connection, drops] = [0, 1, 0, 0]

      const deliver = (first: number, end: number) => {
        const answer = gateway.take(packed(first, journal.slice(first - 1, end - 1)))
        if (answer) acked = Math.max(acked, answer.upTo)
      }
      const reconnect = () => {
        next = acked + 1
        gateway.ingest.onPresence(
          'pi-7',
          presence.encode({ connection: ++connection, online: true, run: null, journal: null }),
        )
      }
      reconnect()
      for (const { do: what, count } of steps) {
        const end = Math.min(total + 1, next + count)
        if (what === 'send' && end > next) {
          deliver(next, end)
          next = end
        }
        // Each resend begins with the lowest: so often as the gateway is patient, it must not be lost.
        if (what === 'drop' && drops++ < 2) {
          // Another node's report fills the queue; that node isn't of the fleet, so nothing of it is stored.
          gateway.ingest.onReport('pi-8', packed(1, samples(1, 21)))
          deliver(next, end)
          next = end
        }
        if (what === 'repeat') deliver(Math.max(1, Math.min(count, acked)), Math.min(acked + 1, total + 1))
        if (what === 'resend') next = acked + 1
        if (what === 'reconnect') reconnect()
        if (what === 'kill') {
          gateway.store.close()
          gateway = open()
          reconnect()
        }
      }
      for (next = acked + 1; next <= total; next = acked + 1) deliver(next, Math.min(total + 1, next + 7))

      const { store } = gateway
      expect(storedValues(store)).toEqual(journal.flatMap((entry) => ('value' in entry ? [entry.value] : [])))
      expect(store.inputs.pending('edge').map(({ payload }) => payload[0])).toEqual(
        journal.flatMap((entry, index) => ('entry' in entry ? [index + 1] : [])),
      )
      expect(gateway.codes()).toEqual([])
      store.close()
    }),
    { numRuns: 30 },
  )
})
