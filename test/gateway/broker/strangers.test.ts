import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { connect as connectTlsSocket } from 'node:tls'
import { afterEach, expect, test, vi } from 'vitest'
import type { BrokerLimits } from '../../../gateway/broker/broker.ts'
import { connectClient, endClients, nodeCredentials, startBroker, type TestBroker } from './support.ts'

let broker: TestBroker
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await endClients()
  await broker.close()
})

async function start(limits: Partial<BrokerLimits> = {}): Promise<void> {
  broker = await startBroker({ limits })
}

/** A TCP connection that has sent these bytes. */
async function stranger(bytes?: Uint8Array): Promise<Socket> {
  const socket = connectTcp(broker.port, '127.0.0.1')
  sockets.push(socket)
  socket.on('error', () => undefined)
  await new Promise((resolve) => socket.once('connect', resolve))
  if (bytes) socket.write(bytes)
  return socket
}

const strangers = (count: number, bytes?: Uint8Array): Promise<Socket[]> =>
  Promise.all(Array.from({ length: count }, () => stranger(bytes)))

const ended = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) resolve()
    else socket.once('close', () => resolve()).resume()
  })

/** The first bytes that Node's TLS client sends. */
async function clientHello(): Promise<Buffer> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const hello = new Promise<Buffer>((resolve) => server.once('connection', (socket) => socket.once('data', resolve)))
  const client = connectTlsSocket({ port: (server.address() as { port: number }).port, rejectUnauthorized: false })
  client.on('error', () => undefined)
  const bytes = await hello
  client.destroy()
  server.close()
  return bytes
}

/** A node comes in, and what it says arrives. */
async function roundTrip(): Promise<void> {
  const node = await connectClient(broker.port, await nodeCredentials(broker.authority, 'pi-1'))
  await node.publishAsync('hypha/greens/n/pi-1/up/report', 'x', { qos: 1 })
  expect(broker.heard).toMatchObject([{ text: 'x' }])
}

test('connections that say nothing keep nobody out, however many they are', async () => {
  await start({ maxSilent: 50, maxHandshakes: 2, maxHandshakesPerAddress: 2 })
  await strangers(300)
  await roundTrip()
})

test('connections that send a ClientHello byte by byte take no place of a handshake', async () => {
  await start({ maxHandshakes: 1, maxHandshakesPerAddress: 1 })
  const hello = await clientHello()
  await strangers(100, hello.subarray(0, hello.length - 1))
  await roundTrip()
})

test('handshakes in which nothing goes on make room for others', async () => {
  // Longer than the node's own takes, also on a busy machine.
  await start({ maxHandshakes: 4, maxHandshakesPerAddress: 4, handshakeGraceMs: 1_000 })
  await strangers(8, await clientHello())
  await roundTrip()
})

test('a flood of handshakes is refused beyond the line, and leaves who is in undisturbed', async () => {
  await start({ maxHandshakes: 4, maxHandshakesPerAddress: 4, maxWaiting: 10 })
  const node = await connectClient(broker.port, await nodeCredentials(broker.authority, 'pi-1'))
  await Promise.race((await strangers(60, await clientHello())).map(ended))
  await node.publishAsync('hypha/greens/n/pi-1/up/report', 'still here', { qos: 1 })
  expect(broker.heard).toMatchObject([{ text: 'still here' }])
  await vi.waitFor(() => expect(broker.denials.map(({ why }) => why)).toContain('too many handshakes wait'))
})

test('a ClientHello that comes in pieces is taken as one', async () => {
  await start()
  const { ca, cert, key, id } = await nodeCredentials(broker.authority, 'pi-1')
  const raw = connectTcp(broker.port, '127.0.0.1')
  sockets.push(raw)
  const relay = createServer((from) => {
    sockets.push(from)
    from.on('error', () => undefined)
    from.on('data', (data: Buffer) => {
      for (const byte of data) raw.write(Buffer.from([byte]))
    })
    raw.on('data', (data) => from.write(data))
  })
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  const node = await connectClient((relay.address() as { port: number }).port, { id, ca, cert, key })
  expect(node.connected).toBe(true)
  relay.close()
})

test('what is not TLS is cut at its first bytes', async () => {
  await start()
  await ended(await stranger(Buffer.from('GET / HTTP/1.1\r\n\r\n')))
  await vi.waitFor(() => expect(broker.denials).toMatchObject([{ client: null, why: 'it does not speak TLS' }]))
})

test('who says nothing for long is cut', async () => {
  await start({ helloTimeoutMs: 100 })
  await ended(await stranger())
  expect(broker.denials.map(({ why }) => why)).toEqual(['it did not begin a handshake in time'])
})

test('who stalls in the handshake is cut by the front door, and by nothing else before', async () => {
  // Shorter than the front door's rounds: whatever else kept the time would be first.
  await start({ handshakeTimeoutMs: 20 })
  await ended(await stranger(await clientHello()))
  expect(broker.denials.map(({ why }) => why)).toEqual(['its handshake took too long'])
})

test('an address that connects too fast is refused, and one whose handshakes fail sooner', async () => {
  await start({ connectionRatePerAddress: { perSecond: 0.001, burst: 22 } })
  // Two failures cost as much as twenty connections.
  for (let count = 0; count < 2; count++) await ended(await stranger(Buffer.from('not TLS')))
  await roundTrip()
  await stranger()
  await ended(await stranger())
  await vi.waitFor(() => expect(broker.denials.at(-1)!.why).toBe('too many new connections from one address'))
})

test('a thousand refusals of one stranger are a few lines in the log', async () => {
  await start()
  for (let count = 0; count < 100; count++) await ended(await stranger(Buffer.from('not TLS')))
  expect(broker.denials.length).toBeGreaterThan(0)
  expect(broker.denials.length).toBeLessThan(20)
})
