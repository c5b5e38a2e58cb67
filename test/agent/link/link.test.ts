import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { presence } from '../../../src/wire/messages/presence.ts'
import {
  type Credentials,
  endClients,
  nodeCredentials,
  startBroker,
  type TestBroker,
} from '../../gateway/broker/support.ts'
import { openLink, startWire, type TestLink, untilOnline, untilState, type Wire } from './support.ts'

const presenceTopic = 'hypha/greens/n/pi-1/presence'
let broker: TestBroker
let wire: Wire
let node: Credentials
let opened: TestLink[]

beforeEach(async () => {
  broker = await startBroker()
  wire = await startWire(broker.port)
  node = await nodeCredentials(broker.authority, 'pi-1')
  opened = []
})
afterEach(async () => {
  for (const { link } of opened) await link.close()
  await endClients()
  await wire.close()
  await broker.close()
})

function open(more: Parameters<typeof openLink>[2] = {}): TestLink {
  const made = openLink(wire.port, node, more)
  opened.push(made)
  return made
}

const presenceNow = () => [...broker.broker.retained(presenceTopic)].map(({ payload }) => presence.decode(payload))

test("a link comes online when its subscriptions and the node's presence are with the broker", async () => {
  const { link } = open()
  const received: string[] = []
  link.subscribe('hypha/greens/n/pi-1/down/+', (topic, payload) => received.push(`${topic} ${Buffer.from(payload)}`))
  expect(link.state).toBe('offline')
  await untilOnline(link)
  expect(presenceNow()).toMatchObject([{ connection: 1, online: true }])
  await broker.broker.publish('hypha/greens/n/pi-1/down/ack', Buffer.from('7'), { qos: 1 })
  await vi.waitFor(() => expect(received).toEqual(['hypha/greens/n/pi-1/down/ack 7']))
})

test('what is published with QoS 1 is resolved when the broker has handled it', async () => {
  const { link } = open()
  await untilOnline(link)
  await link.publish('hypha/greens/n/pi-1/up/report', Buffer.from('x'), { qos: 1 })
  expect(broker.heard.at(-1)).toMatchObject({ topic: 'hypha/greens/n/pi-1/up/report', text: 'x' })
})

test('after a cut the link comes back with its subscriptions and a higher number', async () => {
  const { link, states } = open()
  const received: string[] = []
  link.subscribe('hypha/greens/b/root', (_topic, payload) => received.push(`${Buffer.from(payload)}`))
  await untilOnline(link)
  wire.cut()
  await untilState(link, 'offline')
  await untilOnline(link)
  expect(states).toEqual(['online', 'offline', 'online'])
  await broker.broker.publish('hypha/greens/b/root', Buffer.from('root'), { qos: 1 })
  await vi.waitFor(() => expect(received).toEqual(['root']))
  expect(presenceNow()).toMatchObject([{ connection: 2, online: true }])
})

test('a cut connection is followed by the word that the node is gone', async () => {
  const { link } = open()
  await untilOnline(link)
  wire.down = true
  wire.cut()
  await vi.waitFor(() => expect(presenceNow()).toMatchObject([{ connection: 1, online: false }]))
  await untilState(link, 'offline')
})

test('who ends a subscription and begins it again in one breath hears what comes', async () => {
  const { link } = open()
  await untilOnline(link)
  const received: string[] = []
  const subscribe = () =>
    link.subscribe(`hypha/greens/b/c/${'ab'.repeat(32)}/+`, (_topic, payload) =>
      received.push(`${Buffer.from(payload)}`),
    )
  const hears = (text: string) =>
    vi.waitFor(async () => {
      await broker.broker.publish(`hypha/greens/b/c/${'ab'.repeat(32)}/0`, Buffer.from(text))
      expect(received).toContain(text)
    })
  // What the broker was told by now holds.
  const settled = () => link.publish('hypha/greens/n/pi-1/up/report', Buffer.from('x'), { qos: 1 })
  let stop = subscribe()
  await hears('first')
  stop()
  stop = subscribe()
  await settled()
  await hears('second')
  // Ended while its end is still on its way.
  stop()
  subscribe()()
  await settled()
  stop = subscribe()
  await hears('third')
})

test('publishing is refused at once while there is no connection', async () => {
  wire.down = true
  const { link } = open()
  await expect(link.publish('hypha/greens/n/pi-1/up/report', Buffer.from('x'), { qos: 1 })).rejects.toMatchObject({
    code: 'link-offline',
  })
})

test('what waits for its acknowledgement when the link is cut is answered, with how it ended', async () => {
  const { link } = open({ maxInFlight: 3 })
  // Presence is let through; the reports after it are never acknowledged.
  broker.handle = (_from, topic) => (topic === presenceTopic ? undefined : new Promise(() => undefined))
  await untilOnline(link)
  const publish = () => link.publish('hypha/greens/n/pi-1/up/report', Buffer.from('x'), { qos: 1 })
  const waiting = [publish(), publish(), publish()].map((each) => each.catch((error) => error.code))
  await expect(publish()).rejects.toMatchObject({ code: 'link-busy' })
  wire.cut()
  expect(await Promise.all(waiting)).toEqual(['link-offline', 'link-offline', 'link-offline'])
  broker.handle = () => undefined
})

test('a broker that falls silent is noticed', async () => {
  const { link } = open({ timing: { keepaliveSeconds: 1 } })
  await untilOnline(link)
  wire.silence()
  await untilState(link, 'offline')
  await untilOnline(link)
})

test('a refused subscription is reported, and the others hold', async () => {
  const { link, errors } = open()
  const received: string[] = []
  link.subscribe('hypha/greens/n/pi-2/down/#', () => expect.unreachable())
  link.subscribe('hypha/greens/b/root', (_topic, payload) => received.push(`${Buffer.from(payload)}`))
  await untilOnline(link)
  await vi.waitFor(() => expect(errors).toMatchObject([{ code: 'link-denied', where: 'hypha/greens/n/pi-2/down/#' }]))
  await broker.broker.publish('hypha/greens/b/root', Buffer.from('root'), { qos: 1 })
  await vi.waitFor(() => expect(received).toEqual(['root']))
})

test('a subscription that has ended hears nothing more', async () => {
  const { link } = open()
  const received: string[] = []
  const stop = link.subscribe('hypha/greens/b/root', () => received.push('first'))
  link.subscribe('hypha/greens/b/+', () => received.push('second'))
  await untilOnline(link)
  stop()
  await broker.broker.publish('hypha/greens/b/root', Buffer.from('x'), { qos: 1 })
  await vi.waitFor(() => expect(received).toEqual(['second']))
})

test('a handler that throws is reported and does not keep others from hearing', async () => {
  const { link, errors } = open()
  const received: string[] = []
  link.subscribe('hypha/greens/b/root', () => {
    throw new Error('a defect')
  })
  link.subscribe('hypha/greens/b/root', (_topic, payload) => received.push(`${Buffer.from(payload)}`))
  await untilOnline(link)
  await broker.broker.publish('hypha/greens/b/root', Buffer.from('x'), { qos: 1 })
  await vi.waitFor(() => expect(received).toEqual(['x']))
  expect(errors).toMatchObject([{ code: 'internal', message: 'a defect' }])
})

test('closing says goodbye in the presence, and the link does not come back', async () => {
  const { link } = open()
  await untilOnline(link)
  await link.close()
  expect(link.state).toBe('offline')
  await vi.waitFor(() => expect(presenceNow()).toMatchObject([{ connection: 1, online: false }]))
  expect(wire.count).toBe(1)
})

test('a connection that is cut while it says goodbye is no trouble to tell of', async () => {
  const { link, errors } = open()
  await untilOnline(link)
  const closed = link.close()
  wire.reset()
  await closed
  await untilState(link, 'offline')
  expect(errors).toEqual([])
})

test('the link comes back after a restart of the broker', async () => {
  const { link } = open()
  await untilOnline(link)
  wire.down = true
  await broker.close()
  await untilState(link, 'offline')
  broker = await startBroker({ former: broker })
  wire.target = broker.port
  wire.down = false
  await untilOnline(link)
  expect(presenceNow().at(-1)).toMatchObject({ online: true })
})
