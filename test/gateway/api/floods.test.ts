import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import type { TransportLimits } from '../../../gateway/admin/api/server.ts'
import { call, type Where } from './calls.ts'
import { onTls, startGateway } from './gateway.ts'

const limits = {
  total: 40,
  perAddress: 16,
  handshakeMs: 300,
  headersMs: 300,
  requestMs: 600,
  openRequestMs: 300,
  idleMs: 5_000,
  keepAliveMs: 300,
  checkMs: 50,
}

const join = async () => Uint8Array.of(1)

async function start(changes: Partial<TransportLimits> = {}): Promise<Where> {
  const open = { join, joinSite: join, renew: join, rootChain: () => Uint8Array.of(0) }
  return onTls(await startGateway(), { transportLimits: { ...limits, ...changes }, open })
}

/** A connection of an attacker from one of the loopback's addresses; how it ends doesn't matter to it. */
function tcp({ port }: Where, localAddress = '127.0.0.2'): Socket {
  const socket = connectTcp({ host: '127.0.0.1', port: port!, localAddress })
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  return socket
}

function tls(where: Where, localAddress = '127.0.0.2'): Promise<TLSSocket> {
  const to: ConnectionOptions & { localAddress: string } = {
    host: '127.0.0.1',
    port: where.port!,
    localAddress,
    ca: where.ca!,
    servername: '',
  }
  const socket = connectTls(to)
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  socket.resume()
  return new Promise((resolve) => socket.once('secureConnect', () => resolve(socket)))
}

const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', () => resolve('closed')))

const answers = async (where: Where) => (await call(where, 'GET', '/healthz')).status

test('a handshake that stops half-way is ended, and takes nothing from others', async () => {
  const where = await start()
  const silent = tcp(where)
  const halfOpen = tcp(where)
  // The beginning of a ClientHello, and then nothing.
  halfOpen.write(Buffer.from('16030100c8010000c40303', 'hex'))
  const ends = [closed(silent), closed(halfOpen)]
  expect(await answers(where)).toBe(200)
  expect(await Promise.all(ends)).toEqual(['closed', 'closed'])
})

test('headers that come a byte at a time are not waited for', async () => {
  const where = await start()
  const slow = await tls(where)
  slow.write('GET /v1/status HTTP/1.1\r\nhost: gateway\r\n')
  const timer = setInterval(() => slow.write('x-a: b\r\n'), 20)
  onTestFinished(() => clearInterval(timer))
  const end = closed(slow)
  expect(await answers(where)).toBe(200)
  expect(await end).toBe('closed')
})

test('a body that comes a byte at a time is not waited for, from a stranger even less', async () => {
  const where = await start({ requestMs: 60_000 })
  const slow = await tls(where)
  slow.write(
    'POST /v1/join HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/cbor\r\ncontent-length: 1000\r\n\r\n',
  )
  const timer = setInterval(() => slow.write('x'), 20)
  onTestFinished(() => clearInterval(timer))
  const end = closed(slow)
  expect(await answers(where)).toBe(200)
  expect(await end).toBe('closed')
})

test('the body of a push without a token is not read: the answer comes before it', async () => {
  const where = await start()
  const socket = await tls(where)
  const answer = new Promise<string>((resolve) => socket.once('data', (bytes) => resolve(bytes.toString())))
  socket.write(
    'POST /v1/push HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/cbor\r\ncontent-length: 100000000\r\n\r\n',
  )
  expect(await answer).toMatch(/^HTTP\/1\.1 401 /)
})

test('headers without end are refused', async () => {
  const where = await start()
  const socket = await tls(where)
  const answer = new Promise<string>((resolve) => socket.once('data', (bytes) => resolve(bytes.toString())))
  socket.write(`GET /healthz HTTP/1.1\r\nhost: gateway\r\nx-long: ${'x'.repeat(100_000)}\r\n\r\n`)
  expect(await answer).toMatch(/^HTTP\/1\.1 4\d\d /)
})

test('one address gets its share of connections and no more, and others go on', async () => {
  const where = await start({ handshakeMs: 60_000 })
  const flood = Array.from({ length: 100 }, () => tcp(where))
  let open = flood.length
  for (const socket of flood) socket.once('close', () => open--)
  await expect.poll(() => open).toBe(limits.perAddress)
  expect(await answers(where)).toBe(200)
})

test('when strangers from many addresses take all places, the oldest of them give way, and who has signed in stays', async () => {
  const gateway = await startGateway()
  const where = await onTls(gateway, { transportLimits: { ...limits, handshakeMs: 60_000 } })
  const local = { name: 'local', role: 'admin' } as const
  const { token } = await gateway.services.tokens.create({ name: 'ada', role: 'viewer' }, local)
  const follower = await tls(where, '127.0.0.3')
  const heard = new Promise((resolve) => follower.once('data', resolve))
  follower.write(`GET /v1/values/follow HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${token}\r\n\r\n`)
  await heard
  let followed = true
  follower.once('close', () => {
    followed = false
  })
  const flood = Array.from({ length: 120 }, (_, index) => tcp(where, `127.0.1.${1 + (index % 12)}`))
  let open = flood.length
  for (const socket of flood) socket.once('close', () => open--)
  await expect.poll(() => open).toBe(limits.total - 1)
  expect(await answers(where)).toBe(200)
  expect((await call({ ...where, token }, 'GET', '/v1/status')).status).toBe(200)
  expect(followed).toBe(true)
})

test('an address that connects without end is refused before its handshake costs anything, and no other is', async () => {
  const where = await start({ rate: { perSecond: 0.001, burst: 3 } })
  for (let count = 0; count < 3; count++) (await tls(where)).destroy()
  await closed(tcp(where))
  expect(await answers(where)).toBe(200)
})
