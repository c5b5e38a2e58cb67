import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  clientCredentials,
  connectClient,
  connectTls,
  endClients,
  inbox,
  nodeCredentials,
  startBroker,
  type TestBroker,
} from './support.ts'

let broker: TestBroker
beforeEach(async () => {
  broker = await startBroker({
    limits: { maxSubscriptionsPerClient: 4, maxRetained: 5, maxConnectionsPerAddress: 8 },
  })
})
afterEach(async () => {
  await endClients()
  await broker.close()
  expect(broker.errors.filter((error) => !/cut|packet|handled|ECONN/.test(String(error)))).toEqual([])
})

const connectNode = async (id: string) => connectClient(broker.port, await nodeCredentials(broker.authority, id))

test("a node's report is acknowledged when it has been handled, and reaches nobody else", async () => {
  const order: string[] = []
  broker.handle = async () => {
    await new Promise((resolve) => setImmediate(resolve))
    order.push('handled')
  }
  const node = await connectNode('pi-1')
  await node.publishAsync('hypha/greens/n/pi-1/up/report', 'x', { qos: 1 })
  order.push('acknowledged')
  expect(order).toEqual(['handled', 'acknowledged'])
})

test('messages are handled in the order of their arrival', async () => {
  const node = await connectNode('pi-1')
  const all = Array.from({ length: 200 }, (_, index) => `${index}`)
  await Promise.all(all.map((text) => node.publishAsync('hypha/greens/n/pi-1/up/report', text, { qos: 1 })))
  expect(broker.heard.map(({ text }) => text)).toEqual(all)
})

test('what could not be handled is not acknowledged: the connection ends, so that it is sent again', async () => {
  broker.handle = () => Promise.reject(new Error('the disk is full: cut'))
  const node = await connectNode('pi-1')
  const closed = new Promise<void>((resolve) => node.once('close', () => resolve()))
  const acknowledged = vi.fn()
  node.publish('hypha/greens/n/pi-1/up/report', 'x', { qos: 1 }, (error) => error ?? acknowledged())
  await closed
  expect(acknowledged).not.toHaveBeenCalled()
  expect(String(broker.errors[0])).toContain('the disk is full')
})

test('a denied publish is acknowledged, dropped and reported, and the connection holds', async () => {
  const [node, other] = [await connectNode('pi-1'), await connectNode('pi-2')]
  const received = inbox(other)
  await other.subscribeAsync('hypha/greens/n/pi-2/down/#', { qos: 1 })
  await node.publishAsync('hypha/greens/n/pi-2/down/directive', 'run this', { qos: 1, retain: true })
  await node.publishAsync('hypha/greens/n/pi-2/state', 'a lie', { qos: 1, retain: true })
  await node.publishAsync('hypha/greens/n/pi-1/up/report', 'still here', { qos: 1 })
  expect(broker.heard.map(({ text }) => text)).toEqual(['still here'])
  expect(broker.denials).toMatchObject([
    { client: { id: 'pi-1' }, action: 'publish', topic: 'hypha/greens/n/pi-2/down/directive' },
    { client: { id: 'pi-1' }, action: 'publish', topic: 'hypha/greens/n/pi-2/state' },
  ])
  expect([...broker.broker.retained('#')]).toEqual([])
  expect(received).toEqual([])
})

test('a denied subscription is answered with 128, and others in the same packet hold', async () => {
  const node = await connectNode('pi-1')
  const granted = await new Promise<number[]>((resolve) => {
    node.subscribe(
      ['hypha/greens/n/pi-2/down/#', 'hypha/greens/n/pi-1/down/#', '#'],
      { qos: 1 },
      (_error, _all, packet) => resolve(packet!.granted as number[]),
    )
  })
  expect(granted).toEqual([128, 1, 128])
  const received = inbox(node)
  await broker.broker.publish('hypha/greens/n/pi-2/down/directive', Buffer.from('secret'), { qos: 1 })
  await broker.broker.publish('hypha/greens/n/pi-1/down/directive', Buffer.from('mine'), { qos: 1 })
  await vi.waitFor(() => expect(received).toEqual(['hypha/greens/n/pi-1/down/directive mine']))
})

test('nodes call each other over their links, under their own names only', async () => {
  const [caller, callee] = [await connectNode('pi-1'), await connectNode('pi-2')]
  const received = inbox(callee)
  await callee.subscribeAsync('hypha/greens/l/pi-2/+', { qos: 1 })
  await caller.publishAsync('hypha/greens/l/pi-2/pi-3', 'forged', { qos: 1 })
  await caller.publishAsync('hypha/greens/l/pi-2/pi-1', 'call', { qos: 1 })
  await vi.waitFor(() => expect(received).toEqual(['hypha/greens/l/pi-2/pi-1 call']))
})

test('a client reads and writes what it was granted, and loses it at once when the grant is taken back', async () => {
  broker.grants.set('screen', { read: ['hypha/greens/v/#'], write: ['hypha/greens/m/house/#'] })
  const screen = await connectClient(broker.port, await clientCredentials(broker.authority, 'screen'))
  const received = inbox(screen)
  await screen.subscribeAsync('hypha/greens/v/#', { qos: 1 })
  await broker.broker.publish('hypha/greens/v/pi-1/app/module/celsius', Buffer.from('21.5'), { retain: true })
  await vi.waitFor(() => expect(received).toEqual(['hypha/greens/v/pi-1/app/module/celsius 21.5']))
  await screen.publishAsync('hypha/greens/m/house/set', 'on', { qos: 1 })
  expect(broker.heard).toMatchObject([{ from: { kind: 'client', id: 'screen' }, topic: 'hypha/greens/m/house/set' }])
  broker.grants.delete('screen')
  await broker.broker.publish('hypha/greens/v/pi-1/app/module/celsius', Buffer.from('22'), { retain: true })
  await screen.publishAsync('hypha/greens/m/house/set', 'off', { qos: 1 })
  expect(broker.heard).toHaveLength(1)
  expect(received).toHaveLength(1)
})

test("a will that is not the node's own presence is refused with the connection", async () => {
  const credentials = await nodeCredentials(broker.authority, 'pi-1')
  const will = (topic: string) => ({ will: { topic, payload: Buffer.from('gone'), qos: 1 as const, retain: true } })
  await expect(connectClient(broker.port, credentials, will('hypha/greens/n/pi-2/presence'))).rejects.toMatchObject({
    code: 5,
  })
  const client = await connectClient(broker.port, credentials, will('hypha/greens/n/pi-1/presence'))
  client.stream.destroy()
  await vi.waitFor(() => expect(broker.heard).toMatchObject([{ topic: 'hypha/greens/n/pi-1/presence', text: 'gone' }]))
})

test('a QoS 2 message is handled once, however often it is sent before its release', async () => {
  const credentials = await nodeCredentials(broker.authority, 'pi-1')
  const socket = await connectTls(broker.port, credentials)
  socket.write(Buffer.from('101000044d5154540402003c000470692d31', 'hex'))
  const topic = 'hypha/greens/n/pi-1/up/report'
  const publish = Buffer.concat([
    Buffer.from([0x34, topic.length + 5, 0, topic.length]),
    Buffer.from(topic),
    Buffer.from([0, 9, 0x78]),
  ])
  const answers: number[] = []
  socket.on('data', (data: Buffer) => answers.push(...data.filter((byte) => byte === 0x50)))
  socket.write(publish)
  await vi.waitFor(() => expect(answers).toHaveLength(1))
  socket.write(Buffer.from([publish[0]! | 8, ...publish.subarray(1)]))
  await vi.waitFor(() => expect(answers).toHaveLength(2))
  expect(broker.heard).toHaveLength(1)
  socket.destroy()
})

test('a packet over the limit ends the connection before it is gathered', async () => {
  const socket = await connectTls(broker.port, await nodeCredentials(broker.authority, 'pi-1'))
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  // CONNECT that announces 256 MiB less one.
  socket.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f, 0, 4]))
  await closed
  expect(String(broker.errors[0])).toContain('a packet of 268435455 bytes')
})

test('the largest message of ours passes the limit both ways', async () => {
  const node = await connectNode('pi-1')
  const large = Buffer.alloc(65_536, 'x')
  await node.publishAsync('hypha/greens/n/pi-1/up/report', large, { qos: 1 })
  expect(broker.heard[0]!.text).toHaveLength(65_536)
  const received = inbox(node)
  await node.subscribeAsync('hypha/greens/b/root', { qos: 1 })
  await broker.broker.publish('hypha/greens/b/root', large, { qos: 1 })
  await vi.waitFor(() => expect(received[0]).toHaveLength(65_536 + 'hypha/greens/b/root '.length))
  await expect(broker.broker.publish('hypha/greens/b/root', Buffer.alloc(70_000))).rejects.toMatchObject({
    code: 'bytes-too-long',
  })
})

test('subscriptions over the limit are refused, and make room when they end', async () => {
  const node = await connectNode('pi-1')
  for (const n of [1, 2, 3, 4]) await node.subscribeAsync(`hypha/greens/b/release/app-${n}`, { qos: 1 })
  await expect(node.subscribeAsync('hypha/greens/b/root', { qos: 1 })).rejects.toThrow()
  await node.unsubscribeAsync('hypha/greens/b/release/app-1')
  await node.subscribeAsync('hypha/greens/b/root', { qos: 1 })
})

test('retained messages of clients over the limit are refused', async () => {
  broker.grants.set('filler', { read: [], write: ['hypha/greens/m/#'] })
  const filler = await connectClient(broker.port, await clientCredentials(broker.authority, 'filler'))
  for (let n = 0; n < 8; n++) await filler.publishAsync(`hypha/greens/m/house/${n}`, 'x', { qos: 1, retain: true })
  await vi.waitFor(() => expect([...broker.broker.retained('hypha/greens/m/#')]).toHaveLength(5))
  expect(broker.denials).toHaveLength(3)
})

test('connections over the limit for one address are ended, and those that say nothing for long', async () => {
  const { connect } = await import('node:net')
  const idle = Array.from({ length: 12 }, () => connect(broker.port, '127.0.0.1'))
  let closed = 0
  for (const socket of idle) {
    socket.on('error', () => undefined)
    socket.on('close', () => closed++)
  }
  await vi.waitFor(() => expect(closed).toBe(12), { timeout: 30_000 })
  expect(broker.denials.filter(({ why }) => why.includes('one address'))).toHaveLength(4)
  await connectNode('pi-1')
})
