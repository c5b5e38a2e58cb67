import { expect, test } from 'vitest'
import type { Value } from '../../../gateway/admin/api/schemas/data.ts'
import { Hub } from '../../../gateway/services/hub.ts'
import { startGateway } from '../api/gateway.ts'

test('last values and history are read from the store, "site" standing for what belongs to no device', async () => {
  const { services, store, clock } = await startGateway()
  store.apps.addRelease({
    app: 'a',
    number: 1,
    digest: '1',
    label: '',
    createdAt: 1,
    envelope: Uint8Array.of(1),
    contents: [],
  })
  const key = { app: 'a', module: 'm', metric: 't', incarnation: new Uint8Array(8), epoch: 1 }
  const now = clock.now()
  const [own, shared] = [
    store.series.add({ ...key, home: 'pi-7', node: 'pi-7' }),
    store.series.add({ ...key, home: null, node: 'gw' }),
  ]
  for (let seq = 0; seq < 3; seq++) store.series.insertSample(own, now - 3 + seq, seq, 20 + seq)
  store.series.insertSample(shared, now - 1, 1, Number.NaN)
  const last = (filter: object) =>
    services.values.last(filter).then((found) => found.map(({ home, value }) => [home, value]))
  expect(await last({})).toEqual(
    expect.arrayContaining([
      ['pi-7', 22],
      [null, null],
    ]),
  )
  expect(await last({ home: 'site' })).toEqual([[null, null]])
  expect(await last({ home: 'pi-7', metric: 't' })).toEqual([['pi-7', 22]])
  const history = await services.values.history({ app: 'a', module: 'm', metric: 't', home: 'pi-7', limit: 2 })
  expect(history.points.map(({ mean }) => mean)).toEqual([20, 21])
  expect(history.more).toBe(true)
})

test('lines are picked by level and time', async () => {
  const { services, store } = await startGateway()
  const line = { node: 'pi-7', app: 'a', module: 'm', home: 'pi-7' }
  for (const [at, level] of [
    [1, 'debug'],
    [2, 'warn'],
    [3, 'info'],
    [4, 'error'],
  ] as const) {
    store.logs.add({ ...line, at, level, text: `${level}` })
  }
  const texts = (query: object) => services.logs.query(query).then((found) => found.map(({ text }) => text))
  expect(await texts({})).toEqual(['debug', 'warn', 'info', 'error'])
  expect(await texts({ level: 'warn' })).toEqual(['warn', 'error'])
  expect(await texts({ level: 'warn', limit: 1 })).toEqual(['error'])
  expect(await texts({ from: 2, to: 4 })).toEqual(['warn', 'info'])
  expect(await texts({ app: 'other' })).toEqual([])
})

test('what a site forwards is followed as what is the fleet’s own, and neither is taken for the other', async () => {
  const { services, store, clock } = await startGateway()
  const incarnation = new Uint8Array(8).fill(1)
  const end = new AbortController()
  expect(() => services.logs.follow({ site: 'north' }, end.signal)).toThrow(/no site north/)
  store.sites.invite({ tokenDigest: 'x', site: 'north', expiresAt: clock.now() }, 1, clock.now())
  store.sites.hello('north', incarnation, 0, clock.now())
  const [values, logs, own] = [
    services.values.follow({ site: 'north', metric: 't' }, end.signal),
    services.logs.follow({ site: 'north', level: 'warn' }, end.signal),
    services.logs.follow({}, end.signal),
  ]
  const series = { app: 'a', module: 'm', home: null, node: 'pi-7', incarnation, epoch: 1 }
  const line = { node: 'pi-7', app: 'a', module: 'm', home: null }
  store.sites.take(
    'north',
    incarnation,
    {
      after: 0,
      upTo: 5,
      series: [
        { ...series, metric: 't' },
        { ...series, metric: 'u' },
      ],
      samples: [
        { series: 0, at: 10, seq: 1, value: 20 },
        { series: 0, at: 11, seq: 2, value: 21 },
        { series: 1, at: 11, seq: 3, value: 22 },
      ],
      events: [],
      logs: [
        { ...line, number: 4, at: 12, level: 'info', text: 'damp' },
        { ...line, number: 5, at: 12, level: 'warn', text: 'dry' },
      ],
    },
    clock.now(),
  )
  const first = async <T>(of: AsyncIterable<T>): Promise<T> => (await of[Symbol.asyncIterator]().next()).value as T
  expect(await first(values)).toMatchObject({ metric: 't', value: 21, at: 11, node: 'pi-7' })
  expect(await first(logs)).toMatchObject({ text: 'dry', level: 'warn' })
  end.abort()
  expect(await first(own)).toBeUndefined()
})

const value = (number: number): Value => ({
  app: 'a',
  module: 'm',
  home: null,
  node: 'n',
  metric: 't',
  value: number,
  at: 1,
})

test('who follows misses nothing between asking and the first item, and is gone when he ends', async () => {
  const hub = new Hub<Value>()
  const end = new AbortController()
  const following = hub.follow((item) => item.value !== 2, end.signal)
  hub.publish([value(1), value(2), value(3)])
  const got: (number | null)[] = []
  for await (const item of following) {
    got.push(item.value)
    if (got.length === 2) hub.publish([value(4)])
    if (got.length === 3) end.abort()
  }
  expect(got).toEqual([1, 3, 4])
  expect(hub.followers).toBe(0)
})

test('who does not read holds back no more than a bounded number of items', async () => {
  const hub = new Hub<Value>()
  const end = new AbortController()
  const following = hub.follow(() => true, end.signal)
  hub.publish(Array.from({ length: 10_005 }, (_, index) => value(index)))
  const { value: first } = await following[Symbol.asyncIterator]().next()
  expect(first.value).toBe(5)
  end.abort()
})
