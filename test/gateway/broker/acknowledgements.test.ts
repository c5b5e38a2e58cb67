import type { TLSSocket } from 'node:tls'
import fc from 'fast-check'
import mqttPacket, { type Packet } from 'mqtt-packet'
import { afterEach, expect, test, vi } from 'vitest'
import { type QueuedPacket, SessionQueue } from '../../../gateway/broker/queue.ts'
import { connectTls, nodeCredentials, startBroker, type TestBroker } from './support.ts'

// Acknowledgements of what the gateway publishes to many are taken off the wire before aedes parses them.

const topic = 'hypha/greens/b/commit/app'
let running: TestBroker | null = null

afterEach(async () => {
  await running?.close()
  running = null
})

const soon = (check: () => void) => vi.waitFor(check, { timeout: 10_000 })

async function bareClient(id: string) {
  const socket: TLSSocket = await connectTls(running!.port, await nodeCredentials(running!.authority, id))
  const packets: Packet[] = []
  const parser = mqttPacket.parser()
  parser.on('packet', (packet) => packets.push(packet))
  socket.on('data', (data) => parser.parse(data))
  socket.on('error', () => undefined)
  const send = (...packets: Packet[]) => socket.write(Buffer.concat(packets.map((each) => mqttPacket.generate(each))))
  send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: id, clean: false, keepalive: 600 })
  await soon(() => expect(packets.map(({ cmd }) => cmd)).toContain('connack'))
  send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] })
  await soon(() => expect(packets.map(({ cmd }) => cmd)).toContain('suback'))
  return {
    socket,
    send,
    count: (cmd: Packet['cmd']) => packets.filter((packet) => packet.cmd === cmd).length,
    ids: () => packets.flatMap((packet) => (packet.cmd === 'publish' ? [packet.messageId!] : [])),
  }
}

const waiting = () => running!.db.prepare('SELECT clients FROM broker_broadcast').all()
const puback = (messageId: number): Packet => ({ cmd: 'puback', messageId })

test('All get a message under the same packet id, above those that are a client’s own', async () => {
  running = await startBroker()
  const clients = [await bareClient('pi-1'), await bareClient('pi-2')]
  await running.broker.publish(topic, Buffer.from('one'), { qos: 1 })
  await running.broker.publish(topic, Buffer.from('two'), { qos: 1 })
  for (const { ids } of clients) await soon(() => expect(ids()).toHaveLength(2))
  const [first, second] = clients.map(({ ids }) => ids())
  expect(first).toEqual(second)
  expect(Math.min(...first!)).toBeGreaterThanOrEqual(0x8000)
  expect(first![0]).not.toBe(first![1])
})

test('Acknowledgements count however they are cut into pieces, and what comes between them is answered', async () => {
  running = await startBroker()
  const client = await bareClient('pi-1')
  for (const text of ['one', 'two', 'three', 'four']) await running.broker.publish(topic, Buffer.from(text), { qos: 1 })
  await soon(() => expect(client.ids()).toHaveLength(4))
  const [one, two, three, four] = client.ids().map(puback)
  // One that nobody waits for goes the way of all packets.
  client.send(one!, { cmd: 'pingreq' }, puback(77), two!)
  await soon(() => expect(client.count('pingresp')).toBe(1))
  await soon(() => expect(waiting()).toHaveLength(2))
  const bytes = Buffer.concat([three!, { cmd: 'pingreq' } as const, four!].map((each) => mqttPacket.generate(each)))
  for (const byte of bytes) {
    client.socket.write(Buffer.of(byte))
    // Each byte in a record of its own.
    await new Promise((resolve) => setImmediate(resolve))
  }
  await soon(() => expect(waiting()).toEqual([]))
  await soon(() => expect(client.count('pingresp')).toBe(2))
})

test('A message that was acknowledged twice is settled once, and the connection goes on', async () => {
  running = await startBroker()
  const client = await bareClient('pi-1')
  const other = await bareClient('pi-2')
  await running.broker.publish(topic, Buffer.from('one'), { qos: 1 })
  await soon(() => expect(client.ids()).toHaveLength(1))
  await soon(() => expect(other.ids()).toHaveLength(1))
  const [id] = client.ids()
  client.send(puback(id!), puback(id!), { cmd: 'pingreq' })
  await soon(() => expect(client.count('pingresp')).toBe(1))
  await soon(() => expect(waiting()).toEqual([{ clients: '["pi-2"]' }]))
  other.send(puback(id!))
  await soon(() => expect(waiting()).toEqual([]))
})

const plain = (counter: number): QueuedPacket => ({
  cmd: 'publish',
  brokerId: 'b',
  brokerCounter: counter,
  topic,
  payload: 'x',
  qos: 1,
  retain: false,
  dup: false,
  messageId: undefined,
})

test('No two messages of a session are in flight under one packet id, and acknowledging one leaves the others', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ kind: fc.constantFrom('shared', 'own', 'ack'), id: fc.integer({ min: 1, max: 4 }) })),
      (steps) => {
        const queue = new SessionQueue('pi-1', { maxQueuedMessages: 1_000, maxQueuedBytes: 1_000_000 })
        const inFlight = new Map<number, 'shared' | 'own'>()
        let own = 100
        for (const [number, { kind, id }] of steps.entries()) {
          if (kind === 'own') {
            queue.add(number, plain(number))
            queue.number(plain(number), ++own)
            inFlight.set(own, 'own')
          } else if (kind === 'shared') {
            const key = `shared ${number}`
            const packet = () => ({ ...plain(number), brokerId: 'shared' })
            queue.addShared({ id: number, key, bytes: 1, packet, settle: () => undefined })
            const taken = queue.begin(key, id, () => ++own)
            expect(taken).not.toBeNull()
            expect(inFlight.has(taken!)).toBe(false)
            expect(queue.begin(key, id, () => ++own)).toBeNull()
            inFlight.set(taken!, 'shared')
          } else {
            const settled = queue.acknowledgeShared(id)
            expect(settled).toBe(inFlight.get(id) === 'shared')
            if (settled) inFlight.delete(id)
          }
        }
        expect(new Set(queue.packets().map(({ messageId }) => messageId))).toEqual(new Set(inFlight.keys()))
        expect(queue.size).toBe(inFlight.size)
      },
    ),
  )
})
