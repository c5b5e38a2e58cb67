import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TicketKeys, ticketKeysInFile } from '../../../gateway/broker/ticket-keys.ts'
import { type Credentials, connectTls, nodeCredentials, startBroker, type TestBroker } from './support.ts'

const dayMs = 86_400_000
let folder: string
let now: number
let broker: TestBroker
const problems: unknown[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-tickets-'))
  now = Date.now()
  broker = await startBroker({ options: { ticketKeys: openKeys(), now: () => now } })
})
afterEach(async () => {
  await broker.close()
  rmSync(folder, { recursive: true })
  expect(problems.splice(0)).toEqual([])
})

const path = () => join(folder, 'ticket.keys')
const openKeys = (): TicketKeys =>
  ticketKeysInFile(
    path(),
    (error) => problems.push(error),
    () => now,
  )

async function restart(former: Parameters<typeof startBroker>[0] = { former: broker }): Promise<void> {
  await broker.close()
  const removed = broker.removed
  broker = await startBroker({ options: { ticketKeys: openKeys(), now: () => now }, ...former })
  for (const id of removed) broker.removed.add(id)
}

/** Connects, says CONNECT, and returns the CONNACK's code with the session for the next time. */
async function visit(credentials: Credentials, session?: Buffer) {
  const socket: TLSSocket = await connectTls(broker.port, credentials, session)
  // A resumed connection brings no new session.
  const next = session ?? new Promise<Buffer>((resolve) => socket.once('session', resolve))
  const id = Buffer.from(credentials.id)
  socket.write(
    Buffer.concat([
      Buffer.from([0x10, 12 + id.length, 0, 4]),
      Buffer.from('MQTT'),
      Buffer.from([4, 2, 0, 60, 0, id.length]),
      id,
    ]),
  )
  const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve))
  const visited = { code: answer[3], resumed: socket.isSessionReused(), session: await next }
  socket.destroy()
  return visited
}

test('a session is resumed over a restart of the gateway, with the name and the fingerprint of its certificate', async () => {
  const credentials = await nodeCredentials(broker.authority, 'pi-1')
  const { session, resumed } = await visit(credentials)
  expect(resumed).toBe(false)
  const [before] = broker.events
  await restart()
  expect(await visit(credentials, session)).toMatchObject({ resumed: true, code: 0 })
  expect(broker.events[0]).toEqual(before)
})

test('a resumed session of a revoked or replaced certificate is refused at CONNECT', async () => {
  const credentials = await nodeCredentials(broker.authority, 'pi-1')
  const { session } = await visit(credentials)
  broker.removed.add('pi-1')
  await restart()
  expect(await visit(credentials, session)).toMatchObject({ resumed: true, code: 5 })
})

test('a resumed session of a certificate that has expired meanwhile is refused at CONNECT', async () => {
  const credentials = await nodeCredentials(broker.authority, 'pi-1', 2)
  const { session } = await visit(credentials)
  now += 3 * dayMs
  expect(await visit(credentials, session)).toMatchObject({ resumed: true, code: 5 })
})

test("a session under one authority is not resumed under another's, even with the same ticket keys", async () => {
  const credentials = await nodeCredentials(broker.authority, 'pi-1')
  const { session } = await visit(credentials)
  await restart({ limits: {} })
  // The certificate of another fleet's authority: the full handshake that is left to it fails.
  const socket = await connectTls(broker.port, { ...credentials, ca: broker.authority.certificate }, session)
  expect(socket.isSessionReused()).toBe(false)
  await new Promise((resolve) =>
    socket
      .once('close', resolve)
      .once('error', () => undefined)
      .resume(),
  )
})

test('keys change once a day, and sessions under a former one are resumed until it is a week older', async () => {
  const credentials = await nodeCredentials(broker.authority, 'pi-1')
  const { session } = await visit(credentials)
  now += 5 * dayMs
  await restart()
  expect(await visit(credentials, session)).toMatchObject({ resumed: true })
  now += 4 * dayMs
  await restart()
  expect(await visit(credentials, session)).toMatchObject({ resumed: false, code: 0 })
})

test('the file is read by its owner only, and holds the newest key and those of a week', () => {
  expect(statSync(path()).mode & 0o777).toBe(0o600)
  const keys = openKeys()
  const [first] = keys.current()
  expect(keys.current()).toEqual([first])
  for (let day = 0; day < 20; day++) {
    now += dayMs
    keys.current()
  }
  expect(JSON.parse(readFileSync(path(), 'utf8'))).toHaveLength(8)
  expect(openKeys().current()).toEqual(keys.current())
  expect(keys.current()).not.toContainEqual(first)
})

test('a clock that is set back, and a damaged file, lead to a new key', () => {
  const [first] = openKeys().current()
  now -= dayMs
  const [second] = openKeys().current()
  expect(second).not.toEqual(first)
  writeFileSync(path(), '{')
  expect(openKeys().current()).toHaveLength(1)
  expect(problems.splice(0)).toHaveLength(1)
})
