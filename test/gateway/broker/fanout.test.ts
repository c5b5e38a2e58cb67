import type { TLSSocket } from 'node:tls'
import mqttPacket, { type Packet } from 'mqtt-packet'
import { afterEach, expect, test, vi } from 'vitest'
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

// What the gateway publishes to many: the same to each, in order, and nobody waits for anybody else.

const topic = 'hypha/greens/b/commit/app'
let running: TestBroker

afterEach(async () => {
  await endClients()
  await running.close()
})

const node = async (id: string) => nodeCredentials(running.authority, id)
const soon = (check: () => void) => vi.waitFor(check, { timeout: 10_000 })

/** A client by the byte, which acknowledges only when it is told to. */
async function bareClient(id: string, { clean = false, subscribe = true } = {}) {
  const socket: TLSSocket = await connectTls(running.port, await node(id))
  const packets: Packet[] = []
  const parser = mqttPacket.parser()
  parser.on('packet', (packet) => packets.push(packet))
  socket.on('data', (data) => parser.parse(data))
  socket.on('error', () => undefined)
  const send = (packet: Packet) => socket.write(mqttPacket.generate(packet))
  send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: id, clean, keepalive: 600 })
  await soon(() => expect(packets.map(({ cmd }) => cmd)).toContain('connack'))
  if (subscribe) send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] })
  if (subscribe)
    await soon(() => expect(packets).toContainEqual(expect.objectContaining({ cmd: 'suback', granted: [1] })))
  return {
    socket,
    published: () => packets.filter((packet) => packet.cmd === 'publish'),
    texts: () => packets.flatMap((packet) => (packet.cmd === 'publish' ? [`${packet.payload}`] : [])),
    acknowledge: (messageId: number) => send({ cmd: 'puback', messageId }),
  }
}

test('Every subscriber has everything in the order in which it was published, with the QoS that it asked for', async () => {
  running = await startBroker()
  const clients = await Promise.all(
    ['pi-1', 'pi-2', 'pi-3'].map(async (id) => connectClient(running.port, await node(id))),
  )
  const inboxes = clients.map(inbox)
  const qos: number[] = []
  clients[0]!.on('message', (_topic, _payload, packet) => qos.push(packet.qos))
  await clients[0]!.subscribeAsync(topic, { qos: 0 })
  await clients[1]!.subscribeAsync(topic, { qos: 1 })
  // Two that match are one delivery.
  await clients[2]!.subscribeAsync([topic, 'hypha/greens/b/commit/+'], { qos: 1 })
  const sent = Array.from({ length: 40 }, (_, index) => `${topic} ${index}`)
  await Promise.all(
    sent.map((_, index) => running.broker.publish(topic, Buffer.from(`${index}`), { qos: index % 2 === 0 ? 1 : 0 })),
  )
  for (const received of inboxes) await soon(() => expect(received).toEqual(sent))
  expect(new Set(qos)).toEqual(new Set([0]))
})

test('What is retained comes without the flag to who is subscribed, and with it to who comes later', async () => {
  running = await startBroker()
  const early = await connectClient(running.port, await node('pi-1'))
  const first = inbox(early)
  await early.subscribeAsync(topic, { qos: 1 })
  await running.broker.publish(topic, Buffer.from('x'), { retain: true, qos: 1 })
  await soon(() => expect(first).toEqual([`${topic} x`]))
  const late = await connectClient(running.port, await node('pi-2'))
  const second = inbox(late)
  await late.subscribeAsync(topic, { qos: 1 })
  await soon(() => expect(second).toEqual([`!${topic} x`]))
})

test('Who is cut before its PUBACK has the message again, with the same id, marked as sent before', async () => {
  running = await startBroker()
  const kept = await bareClient('pi-1')
  const cut = await bareClient('pi-2')
  await running.broker.publish(topic, Buffer.from('one'), { qos: 1 })
  await soon(() => expect(cut.texts()).toEqual(['one']))
  await soon(() => expect(kept.texts()).toEqual(['one']))
  kept.acknowledge(kept.published()[0]!.messageId!)
  const [before] = cut.published()
  cut.socket.destroy()
  await soon(() => expect([...running.broker.connected()]).toHaveLength(1))
  await running.broker.publish(topic, Buffer.from('two'), { qos: 1 })
  const again = await bareClient('pi-2', { subscribe: false })
  await soon(() => expect(again.texts()).toEqual(['one', 'two']))
  expect(again.published()[0]).toMatchObject({ dup: true, messageId: before!.messageId })
  for (const { messageId } of again.published()) again.acknowledge(messageId!)
  await soon(() => expect(kept.texts()).toEqual(['one', 'two']))
  kept.acknowledge(kept.published()[1]!.messageId!)
  // Nothing is left of it once all have acknowledged.
  await soon(() => expect(running.db.prepare('SELECT id FROM broker_broadcast').all()).toEqual([]))
})

test('After a restart those that have not acknowledged have it, and the others not again', async () => {
  running = await startBroker()
  const kept = await bareClient('pi-1')
  const cut = await bareClient('pi-2')
  await running.broker.publish(topic, Buffer.from('one'), { qos: 1 })
  await soon(() => expect(kept.texts()).toEqual(['one']))
  kept.acknowledge(kept.published()[0]!.messageId!)
  cut.socket.destroy()
  await soon(() => expect([...running.broker.connected()]).toHaveLength(1))
  const waiting = () => running.db.prepare('SELECT clients FROM broker_broadcast').all()
  await soon(() => expect(waiting()).toEqual([{ clients: '["pi-2"]' }]))
  await running.close()
  const { authority, db } = running
  running = await startBroker({ former: { authority, db } })
  const others = await bareClient('pi-1', { subscribe: false })
  const again = await bareClient('pi-2', { subscribe: false })
  await soon(() => expect(again.texts()).toEqual(['one']))
  await running.broker.publish(topic, Buffer.from('two'), { qos: 1 })
  await soon(() => expect(others.texts()).toEqual(['two']))
})

test('A client that reads nothing gets its own queue, loses its oldest messages, and keeps nobody waiting', async () => {
  running = await startBroker({ limits: { maxQueuedMessages: 20 } })
  const slow = await bareClient('pi-1', { clean: true })
  const quick = await connectClient(running.port, await node('pi-2'))
  const received = inbox(quick)
  await quick.subscribeAsync(topic, { qos: 1 })
  slow.socket.pause()
  const payload = Buffer.alloc(60_000, 'x')
  let sent = 0
  while (running.dropped.length === 0) {
    await running.broker.publish(topic, payload, { qos: 1 })
    sent++
  }
  await soon(() => expect(received).toHaveLength(sent))
  expect(new Set(running.dropped.map(([client]) => client))).toEqual(new Set(['pi-1']))
  await running.broker.publish(topic, Buffer.from('last'), { qos: 1 })
  slow.socket.resume()
  await soon(() => expect(slow.texts().at(-1)).toBe('last'))
  const lost = running.dropped.reduce((sum, [, count]) => sum + count, 0)
  expect(slow.texts()).toHaveLength(sent + 1 - lost)
})

test('A client whose right was taken away since it subscribed gets nothing', async () => {
  running = await startBroker()
  const value = 'hypha/greens/v/pi-1/app/module/celsius'
  running.grants.set('screen', { read: ['hypha/greens/v/#'], write: [] })
  const screen = await connectClient(running.port, await clientCredentials(running.authority, 'screen'))
  const received = inbox(screen)
  await screen.subscribeAsync('hypha/greens/v/#', { qos: 1 })
  await running.broker.publish(value, Buffer.from('1'), { qos: 1 })
  await soon(() => expect(received).toEqual([`${value} 1`]))
  running.grants.set('screen', { read: ['hypha/greens/v/+/other/#'], write: [] })
  await running.broker.publish(value, Buffer.from('2'), { qos: 1 })
  await running.broker.publish('hypha/greens/v/pi-1/other/module/celsius', Buffer.from('3'), { qos: 1 })
  await soon(() => expect(received.at(-1)).toBe('hypha/greens/v/pi-1/other/module/celsius 3'))
  expect(received).toHaveLength(2)
})
