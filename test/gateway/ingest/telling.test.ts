import { expect, it } from 'vitest'
import { toHex } from '../../../src/bytes/text.ts'
import { presence } from '../../../src/wire/messages/presence.ts'
import { state } from '../../../src/wire/messages/state.ts'
import { addNode, addRelease, t0, temporaryStore } from '../store/support.ts'
import { incarnation, instance, message, packed, sample, storedValues, testIngest } from './support.ts'

const started = (options = {}) => {
  const store = temporaryStore()
  addNode(store, 'pi-7')
  addRelease(store, 'greenhouse')
  return { store, ...testIngest(store, options) }
}

it('The last value of each metric is told once a group, and an older one that comes late is not', () => {
  const { take, told } = started()
  take(packed(1, [sample(1, t0), sample(2, t0 + 10), sample(9, t0, 'humidity')]))
  take(packed(4, [sample(3, t0 + 5)]))
  take(packed(5, [sample(4, t0 + 20)]))
  const shown = told.values.map(([values]) => values.map(({ metric, value, home }) => [metric, value, home]))
  expect(shown).toEqual([
    [
      ['temperature', 2, 'pi-7'],
      ['humidity', 9, 'pi-7'],
    ],
    [['temperature', 4, 'pi-7']],
  ])
})

it('After a restart, what is older than the newest stored value is still not told', () => {
  const { store, take } = started()
  take(packed(1, [sample(1, t0 + 10)]))
  const { take: takeAgain, told } = testIngest(store)
  takeAgain(packed(2, [sample(2, t0)]))
  expect(told.values).toEqual([])
  expect(storedValues(store)).toEqual([2, 1])
})

it('Reports that come together share a transaction and one acknowledgement', () => {
  const { ingest, told } = started()
  for (let first = 1; first <= 21; first += 5) {
    ingest.onReport(
      'pi-7',
      packed(
        first,
        Array.from({ length: 5 }, (_, n) => sample(first + n)),
      ),
    )
  }
  expect(told.ack).toEqual([])
  ingest.flush()
  expect(told.ack).toHaveLength(1)
  expect(ingest.stats).toMatchObject({ reports: 5, samples: 25, transactions: 1 })
})

it('A message is in the queues that it is for before it is acknowledged, and goes when it is handled', () => {
  const target = { node: 'edge', app: 'greenhouse', module: 'alarm', home: null }
  const { store, take, told } = started({ route: () => [target] })
  addNode(store, 'edge')
  take(packed(1, [message('limit', new Uint8Array([7]))]))
  expect(told.messages[0]![0]).toMatchObject([{ node: 'pi-7', topic: 'limit' }])
  expect(told.queued).toEqual([[['edge']]])
  const [input] = store.inputs.pending('edge')
  expect(input).toMatchObject({ ...target, topic: 'limit', payload: new Uint8Array([7]) })

  const handled = {
    kind: 'handled',
    app: 'greenhouse',
    module: 'alarm',
    home: null,
    number: input!.number,
    effects: null,
  } as const
  const report = (first: number, source: Uint8Array, outcome: 'ok' | 'failed') =>
    packed(first, [{ at: t0, entry: { ...handled, source, outcome } }])
  take(report(1, incarnation, 'ok'), 'edge')
  expect(store.inputs.count('edge')).toBe(1)
  take(report(2, store.meta.source, 'failed'), 'edge')
  expect([store.inputs.count('edge'), store.inputs.failed().length]).toEqual([0, 1])
  take(report(3, store.meta.source, 'ok'), 'edge')
  expect(store.inputs.failed()).toEqual([])
  expect(told.handled.flat(2).map(({ outcome }) => outcome)).toEqual(['failed', 'ok'])
})

it('Logs, events and gaps are stored under their own times', () => {
  const { store, take, told } = started()
  take(
    packed(1, [
      { at: t0 + 1, entry: { kind: 'log', ...instance, level: 'warn', text: 'cold' } },
      { at: t0 + 2, entry: { kind: 'event', ...instance, code: 'trapped', text: 'unreachable' } },
      { at: t0 + 3, entry: { kind: 'event', app: null, module: null, home: null, code: 'booted', text: '' } },
      { at: t0 + 4, entry: { kind: 'gap', upToMs: 50, reason: 'power cut' } },
    ]),
  )
  expect(store.logs.list()).toMatchObject([{ at: t0 + 1, node: 'pi-7', level: 'warn', text: 'cold' }])
  expect(store.events.list().map(({ at, code, text }) => [at - t0, code, text])).toEqual([
    [2, 'trapped', 'unreachable'],
    [3, 'booted', ''],
    [4, 'gap', 'power cut (up to 50 ms)'],
  ])
  expect([told.logs.flat(2).length, told.events.flat(2).length]).toEqual([1, 3])
})

it('What the store refuses is not acknowledged, and is stored when it comes again', () => {
  const { store, take, told } = started()
  take(packed(1, [sample(1)]))
  store.db.exec("CREATE TRIGGER full BEFORE INSERT ON marks BEGIN SELECT RAISE(ABORT, 'disk full'); END")
  expect(take(packed(2, [sample(2, t0 + 5, 'humidity')]))).toBeNull()
  expect(told.failed[0]![0].message).toContain('disk full')
  store.db.exec('DROP TRIGGER full')
  expect(take(packed(2, [sample(2, t0 + 5, 'humidity')]))).toMatchObject({ upTo: 2 })
  expect(storedValues(store)).toEqual([1, 2])
})

it('A late sample of a minute that was rolled up is in the rollup after the next round', () => {
  const { store, take } = started()
  const minutes = () => store.rollups.history({}, { from: 0, to: t0 * 2, by: 'minute' }).map(({ count }) => count)
  take(packed(1, [sample(1, t0)]))
  store.rollups.step(t0 + 1_000_000)
  take(packed(2, [sample(2, t0 + 1)]))
  expect(minutes()).toEqual([1])
  store.rollups.step(t0 + 1_000_000)
  expect(minutes()).toEqual([2])
})

it('Presence with a lower connection number is the will of an older connection', () => {
  const { store, ingest, told } = started()
  const say = (connection: number, online: boolean) =>
    ingest.onPresence('pi-7', presence.encode({ connection, online, run: null, journal: null }))
  say(4, true)
  say(3, false)
  expect(store.nodes.get('pi-7')!.presence).toMatchObject({ connection: 4, online: true })
  say(4, false)
  expect(store.nodes.get('pi-7')!.presence).toMatchObject({ connection: 4, online: false })
  expect(told.presence).toEqual([
    ['pi-7', true],
    ['pi-7', false],
  ])
})

it('A state is stored with its inventory', () => {
  const { store, ingest, told } = started()
  const inventory = {
    agentVersion: '0.1.0',
    arch: 'arm64',
    os: 'linux',
    memoryBytes: 1,
    storageBytes: 2,
    interfaces: ['hypha:host/sensor@0.1.0'],
    features: [],
    forms: ['core' as const],
    sensors: ['temperature'],
    actuators: [],
    labels: [],
    updates: null,
  }
  const bytes = state.encode({
    incarnation,
    tier: 'device',
    bootedMs: t0,
    inventory,
    directive: 3,
    sections: [],
    contents: [],
    refused: null,
    children: null,
  })
  ingest.onState('pi-7', bytes)
  expect(store.nodes.get('pi-7')).toMatchObject({ inventory })
  expect(toHex(store.nodes.get('pi-7')!.state!.bytes)).toBe(toHex(bytes))
  expect(told.state).toMatchObject([['pi-7', { directive: 3 }]])
  ingest.onState('pi-9', bytes)
  expect(store.nodes.get('pi-9')).toBeNull()
})

it('What a clock says that was never set is stored with the time of receipt, and its newest value is made known', () => {
  const { store, take, told } = started()
  take(packed(1, [sample(1, 5_000), sample(2, 6_000)], {}))
  const [from, now] = [0, t0 + 1_000_000]
  expect(store.series.history({}, { from, to: now + 1, limit: 10 }).map(({ at }) => at)).toEqual([now, now])
  expect(told.values.flatMap(([values]) => values.map(({ at, value }) => ({ at, value })))).toEqual([
    { at: now, value: 2 },
  ])
  expect(store.events.list()).toMatchObject([{ node: 'pi-7', code: 'clock-behind' }])
})
