import { afterEach, expect, test, vi } from 'vitest'
import type { BrokerLimits } from '../../../gateway/broker/broker.ts'
import { connectClient, connectTls, endClients, nodeCredentials, startBroker, type TestBroker } from './support.ts'

let broker: TestBroker
afterEach(async () => {
  await endClients()
  await broker.close()
})

const start = async (limits: Partial<BrokerLimits> = {}) => {
  broker = await startBroker({ limits })
}

const connectNode = async (id: string) => connectClient(broker.port, await nodeCredentials(broker.authority, id))

const report = (id: string) => `hypha/greens/n/${id}/up/report`

/** PUBLISH with QoS 0, by the byte. */
function publishPacket(topic: string, payload: string): Buffer {
  const body = Buffer.concat([Buffer.from([0, topic.length]), Buffer.from(topic), Buffer.from(payload)])
  return Buffer.concat([Buffer.from([0x30, body.length]), body])
}

/** A node that speaks by the byte, let in. */
async function rawNode(id: string) {
  const socket = await connectTls(broker.port, await nodeCredentials(broker.authority, id))
  const name = Buffer.from(id)
  const rest = Buffer.from([4, 2, 0, 60, 0, name.length])
  socket.write(Buffer.concat([Buffer.from([0x10, 12 + name.length, 0, 4]), Buffer.from('MQTT'), rest, name]))
  await new Promise((resolve) => socket.once('data', resolve))
  return socket
}

test('a client that sends faster than it may is read no faster, and nothing of it is lost', async () => {
  await start({ packetRate: { perSecond: 2_000, burst: 50 } })
  const node = await connectNode('pi-1')
  const all = Array.from({ length: 300 }, (_, index) => `${index}`)
  await Promise.all(all.map((text) => node.publishAsync(report('pi-1'), text, { qos: 1 })))
  expect(broker.heard.map(({ text }) => text)).toEqual(all)
  expect(broker.denials[0]).toMatchObject({ client: { id: 'pi-1' }, action: 'flood' })
})

test('large packets over the rate of bytes are read no faster, and arrive whole', async () => {
  await start({ byteRate: { perSecond: 2_000_000, burst: 100_000 } })
  const node = await connectNode('pi-1')
  const large = 'x'.repeat(60_000)
  await Promise.all(Array.from({ length: 10 }, () => node.publishAsync(report('pi-1'), large, { qos: 1 })))
  expect(broker.heard.map(({ text }) => text.length)).toEqual(Array(10).fill(60_000))
})

test('one that goes on too fast for long is disconnected, and that is reported', async () => {
  await start({ packetRate: { perSecond: 100, burst: 10 }, maxThrottledMs: 100 })
  const socket = await rawNode('pi-1')
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()).on('error', () => undefined))
  const packet = publishPacket(report('pi-1'), 'x')
  socket.write(Buffer.concat(Array(2_000).fill(packet)))
  socket.resume()
  await closed
  expect(broker.denials.map(({ action, why }) => `${action}: ${why}`)).toEqual([
    'flood: it sends faster than it may, and is slowed down',
    'flood: it sent faster than it may for too long, and is disconnected',
  ])
})

test('while one node floods, another has its turn between every few packets of it', async () => {
  const perTurn = 8
  await start({
    packetsPerTurn: perTurn,
    packetRate: { perSecond: 1e9, burst: 1e9 },
    byteRate: { perSecond: 1e9, burst: 1e9 },
  })
  const quiet = await connectNode('pi-2')
  const socket = await rawNode('pi-1')
  socket.resume()
  // By turns of the event loop, not by the clock: none hands over more of the flood than its share.
  const perTurns: number[] = []
  let [count, ended] = [0, false]
  const countTurn = () => {
    perTurns.push(count)
    count = 0
    if (!ended) setImmediate(countTurn)
  }
  broker.handle = (from, topic, payload) => {
    if (from.id === 'pi-1') count++
    broker.heard.push({ from, topic, text: Buffer.from(payload).toString() })
  }
  countTurn()
  const flood = Buffer.concat(Array(5_000).fill(publishPacket(report('pi-1'), 'x')))
  socket.write(flood)
  await quiet.publishAsync(report('pi-2'), 'here I am', { qos: 1 })
  const before = broker.heard.findIndex(({ from }) => from.id === 'pi-2')
  expect(before).toBeLessThan(2_500)
  await vi.waitFor(() => expect(broker.heard).toHaveLength(5_001), 10_000)
  ended = true
  // The mark of a turn and its beginning needn't be the same.
  expect(Math.max(...perTurns)).toBeLessThanOrEqual(2 * perTurn)
  socket.destroy()
})

test('pings count, too: they are read in portions, and all answered', async () => {
  await start({ packetRate: { perSecond: 50_000, burst: 100 } })
  const socket = await rawNode('pi-1')
  let answered = 0
  socket.on('data', (data: Buffer) => {
    answered += data.length / 2
  })
  socket.write(Buffer.concat(Array(3_000).fill(Buffer.from([0xc0, 0]))))
  await vi.waitFor(() => expect(answered).toBe(3_000), 10_000)
  expect(broker.denials).toContainEqual(expect.objectContaining({ action: 'flood' }))
  socket.destroy()
})

test('a client that connects again and again is refused for a while; another is not', async () => {
  await start({ connectRatePerClient: { perSecond: 0.001, burst: 3 } })
  const credentials = await nodeCredentials(broker.authority, 'pi-1')
  for (let count = 0; count < 3; count++) (await connectClient(broker.port, credentials)).end(true)
  await expect(connectClient(broker.port, credentials)).rejects.toMatchObject({ code: 3 })
  await connectNode('pi-2')
})

test('a client without a keepalive is disconnected after the longest that may be, when it says nothing', async () => {
  await start({ maxKeepaliveSeconds: 0.05 })
  const socket = await rawNode('pi-1')
  await new Promise<void>((resolve) =>
    socket
      .once('close', () => resolve())
      .on('error', () => undefined)
      .resume(),
  )
  expect(broker.errors.map(String)).toEqual(['Error: keep alive timeout'])
})
