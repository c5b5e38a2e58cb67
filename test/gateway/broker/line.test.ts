import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { defaultLimits } from '../../../gateway/broker/broker.ts'
import { FrontDoor } from '../../../gateway/broker/front-door.ts'

// Who is in line before TLS: one address that fills the line with handshakes that it never finishes leaves a place to every other.

let begun: string[]
let refused: string[]
let door: FrontDoor
let server: Server
const sockets: Socket[] = []

beforeEach(async () => {
  begun = []
  refused = []
  door = new FrontDoor(
    { ...defaultLimits, maxHandshakes: 1, maxHandshakesPerAddress: 1, maxWaiting: 4, handshakeGraceMs: 60_000 },
    {
      begin: (socket) => void begun.push(socket.resume().remoteAddress!),
      onRefused: (address, why) => void refused.push(`${address}: ${why}`),
      now: () => 0,
    },
  )
  server = createServer((socket) => door.enter(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  door.close()
  for (const socket of sockets.splice(0)) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

/** A connection that sends what looks like a ClientHello, and nothing more; resolves when it was sent. */
const come = (localAddress: string) =>
  new Promise<void>((resolve) => {
    const { port } = server.address() as AddressInfo
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('connect', () => socket.write(Buffer.from([22, 3, 1, 0, 1, 1]), () => resolve()))
  })

test('A newcomer takes the place of the last of whoever has most in line', async () => {
  for (let count = 0; count < 8; count++) await come('127.0.0.1')
  // One is at its handshake, four wait, three found no place.
  await expect.poll(() => refused).toHaveLength(3)
  await come('127.0.0.2')
  await expect.poll(() => refused).toHaveLength(4)
  expect(refused.every((line) => line.startsWith('127.0.0.1: '))).toBe(true)
  expect(begun).toEqual(['127.0.0.1'])
  sockets[0]!.destroy()
  // Addresses take turns.
  await expect.poll(() => begun).toHaveLength(2)
  sockets[1]!.destroy()
  await expect.poll(() => begun).toContain('127.0.0.2')
})

test('Where each has as much in line, who comes last is refused', async () => {
  for (let last = 1; last <= 5; last++) await come(`127.0.0.${last}`)
  await expect.poll(() => begun).toHaveLength(1)
  await come('127.0.0.6')
  await expect.poll(() => refused).toEqual(['127.0.0.6: too many handshakes wait'])
})
