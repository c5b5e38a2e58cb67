import type { MqttClient } from 'mqtt'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  clientCredentials,
  connectClient,
  endClients,
  nodeCredentials,
  startBroker,
  type TestBroker,
} from './support.ts'

// What a node with good keys and bad intentions can do to others: nothing.

const mine = 'ab'.repeat(32)
const others = 'cd'.repeat(32)
let broker: TestBroker
let node: MqttClient
beforeEach(async () => {
  broker = await startBroker({
    limits: {
      maxRetainedPerClient: 3,
      maxRetainedBytesPerClient: 400,
      maxInflightQos2: 4,
      connectRatePerClient: { perSecond: 100, burst: 100 },
    },
    options: { mayReceive: (id, digest) => id === 'pi-1' && digest === mine },
  })
  node = await connectClient(broker.port, await nodeCredentials(broker.authority, 'pi-1'))
})
afterEach(async () => {
  await endClients()
  await broker.close()
})

const retained = () => [...broker.broker.retained('#')].map(({ topic }) => topic)
const grantedFor = (filter: string) =>
  new Promise<number>((resolve) => {
    node.subscribe(filter, { qos: 1 }, (_error, _all, packet) => resolve(packet!.granted[0] as number))
  })

test.each([
  'hypha/greens/n/pi-1/up/report',
  'hypha/greens/n/pi-1/up/anything',
  'hypha/greens/n/pi-1/up/want/x/y',
  'hypha/greens/l/pi-2/pi-1',
  'hypha/greens/l/any-name-at-all/pi-1',
  `hypha/greens/l/${'x'.repeat(300)}/pi-1`,
])('nothing is retained of what a node publishes to %s', async (topic) => {
  await node.publishAsync(topic, 'x', { qos: 1, retain: true })
  expect(retained()).toEqual([])
  expect(broker.denials).toHaveLength(1)
})

test('its presence has a bound, and so has its will', async () => {
  await node.publishAsync('hypha/greens/n/pi-1/presence', Buffer.alloc(60_000), { qos: 1, retain: true })
  expect(retained()).toEqual([])
  const will = { topic: 'hypha/greens/n/pi-3/presence', payload: Buffer.alloc(60_000), qos: 1 as const, retain: true }
  await expect(
    connectClient(broker.port, await nodeCredentials(broker.authority, 'pi-3'), { will }),
  ).rejects.toMatchObject({ code: 5 })
})

test.each([
  'hypha/greens/b/#',
  'hypha/greens/b/+/+/+',
  'hypha/greens/b/c/#',
  'hypha/greens/b/c/+/+',
  'hypha/greens/b/c/+/0',
  `hypha/greens/b/c/${others}/+`,
  `hypha/greens/b/c/${others}/0`,
  'hypha/greens/n/pi-1/down/+/+/#',
  'hypha/greens/l/+/pi-1',
])('it may not subscribe to %s', async (filter) => {
  expect(await grantedFor(filter)).toBe(128)
})

test('it may subscribe to the chunks that its directive lists', async () => {
  expect(await grantedFor(`hypha/greens/b/c/${mine}/+`)).toBe(1)
  expect(broker.denials).toEqual([])
})

test('topics and filters have bounds in bytes and in levels', async () => {
  broker.grants.set('feeder', { read: ['hypha/greens/m/#'], write: ['hypha/greens/m/#'] })
  const feeder = await connectClient(broker.port, await clientCredentials(broker.authority, 'feeder'))
  await feeder.publishAsync(`hypha/greens/m/${'x'.repeat(600)}`, 'x', { qos: 1 })
  await feeder.publishAsync(`hypha/greens/m/${'x/'.repeat(30)}`, 'x', { qos: 1 })
  await expect(feeder.subscribeAsync(`hypha/greens/m/${'x/'.repeat(30)}#`)).rejects.toThrow()
  expect(broker.heard).toEqual([])
  expect(broker.denials.map(({ why }) => why)).toEqual([
    'its name has more than 512 bytes',
    'its name has more than 16 levels',
    'its name has more than 16 levels',
  ])
})

test('a foreign client has a share of the retained messages, in number and in bytes, and gets it back when it clears them', async () => {
  broker.grants.set('filler', { read: [], write: ['hypha/greens/m/#'] })
  const filler = await connectClient(broker.port, await clientCredentials(broker.authority, 'filler'))
  const retain = (name: string, text: string) =>
    filler.publishAsync(`hypha/greens/m/house/${name}`, text, { qos: 1, retain: true })
  for (const name of ['a', 'b', 'c', 'd']) await retain(name, 'x')
  await vi.waitFor(() => expect(retained()).toHaveLength(3))
  await retain('a', '')
  await retain('e', 'x')
  await retain('b', 'x'.repeat(400))
  expect(
    retained()
      .map((topic) => topic.slice(-1))
      .sort(),
  ).toEqual(['b', 'c', 'e'])
  expect([...broker.broker.retained('hypha/greens/m/house/b')][0]!.payload).toHaveLength(1)
})

test('QoS 2 messages that it never releases have a bound over all its connections', async () => {
  const credentials = await nodeCredentials(broker.authority, 'pi-9')
  const topic = Buffer.from('hypha/greens/n/pi-9/up/report')
  for (let connection = 0; connection < 2; connection++) {
    const client = await connectClient(broker.port, credentials, { clean: false })
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
    for (let index = 0; index < 4; index++) {
      const body = Buffer.concat([Buffer.from([0, topic.length]), topic, Buffer.from([connection, index + 1, 0x78])])
      client.stream.write(Buffer.concat([Buffer.from([0x34, body.length]), body]))
    }
    await vi.waitFor(() => expect(broker.heard.length).toBeGreaterThanOrEqual(4))
    if (connection === 0) client.stream.destroy()
    await closed
  }
  expect(broker.errors.map(String)).toContain('Error: too many QoS 2 messages await their release')
})

test('a thousand denials of one client are a few lines in the log, and the last of them tells how many there were', async () => {
  await Promise.all(
    Array.from({ length: 1_000 }, () => node.publishAsync('hypha/greens/n/pi-2/state', 'x', { qos: 0 })),
  )
  await node.publishAsync('hypha/greens/n/pi-1/up/report', 'done', { qos: 1 })
  await vi.waitFor(() => expect(broker.heard).toHaveLength(1))
  expect(broker.denials).toHaveLength(10)
})
