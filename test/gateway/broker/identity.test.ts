import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { identify } from '../../../gateway/broker/identity.ts'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import {
  clientCredentials,
  connectClient,
  connectTls,
  endClients,
  nodeCredentials,
  startBroker,
  type TestBroker,
} from './support.ts'

let broker: TestBroker
beforeAll(async () => {
  broker = await startBroker()
})
afterEach(endClients)
afterAll(() => broker.close())

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => 'connected',
    (error) => error.code ?? error.message,
  )

test('a node connects under the name in its certificate, and the broker says who it is', async () => {
  await connectClient(broker.port, await nodeCredentials(broker.authority, 'pi-1'))
  expect([...broker.broker.connected()]).toMatchObject([{ kind: 'node', id: 'pi-1' }])
  expect(broker.events.at(-1)).toMatchObject({ kind: 'connected', client: { id: 'pi-1' } })
})

test('another client id than the name in the certificate is refused', async () => {
  const credentials = await nodeCredentials(broker.authority, 'pi-2')
  expect(await refusal(connectClient(broker.port, credentials, { clientId: 'pi-1' }))).toBe(2)
  expect(broker.denials.at(-1)).toMatchObject({ action: 'connect', client: { id: 'pi-2' } })
})

test('a certificate of another authority is refused, and none at all', async () => {
  const stranger = await nodeCredentials(await createAuthority('greens'), 'pi-1')
  const ours = { ca: broker.authority.certificate }
  expect(await refusal(connectClient(broker.port, { ...stranger, ...ours }))).not.toBe('connected')
  expect(await refusal(connectClient(broker.port, { ...stranger, ...ours, cert: '', key: '' }))).not.toBe('connected')
})

test("the server's own certificate opens nothing", async () => {
  const server = await broker.authority.issueServer({ names: ['localhost'] })
  const credentials = { id: 'gateway', ca: broker.authority.certificate, cert: server.certificate, key: server.key }
  expect(await refusal(connectClient(broker.port, credentials))).not.toBe('connected')
})

test('an expired certificate is refused', async () => {
  const expired = await nodeCredentials(broker.authority, 'pi-3', -1)
  expect(await refusal(connectClient(broker.port, expired))).not.toBe('connected')
})

test('a removed node is refused with a certificate that is still good', async () => {
  const credentials = await nodeCredentials(broker.authority, 'pi-4')
  await connectClient(broker.port, credentials)
  broker.removed.add('pi-4')
  broker.broker.disconnect('pi-4')
  await vi.waitFor(() => expect(broker.events.at(-1)).toMatchObject({ kind: 'disconnected', client: { id: 'pi-4' } }))
  expect(await refusal(connectClient(broker.port, credentials))).toBe(5)
})

test('a second connection of the same name takes over', async () => {
  const credentials = await nodeCredentials(broker.authority, 'pi-5')
  const first = await connectClient(broker.port, credentials)
  const closed = new Promise<void>((resolve) => first.once('close', () => resolve()))
  const second = await connectClient(broker.port, credentials)
  await closed
  expect(second.connected).toBe(true)
  expect([...broker.broker.connected()].filter((client) => client.id === 'pi-5')).toHaveLength(1)
})

test('a connection that has ended before it is asked for its certificate has no identity, and takes nothing along', async () => {
  const credentials = await nodeCredentials(broker.authority, 'pi-8')
  const socket = await connectTls(broker.port, credentials)
  socket.destroy()
  expect(identify(socket, 'greens')).toBeNull()
})

test('a resumed TLS session has the same identity', async () => {
  const credentials = await nodeCredentials(broker.authority, 'pi-6')
  const first = await connectTls(broker.port, credentials)
  const session = await new Promise<Buffer>((resolve) => first.once('session', resolve))
  first.destroy()
  const resumed = await connectTls(broker.port, credentials, session)
  expect(resumed.isSessionReused()).toBe(true)
  // CONNECT, protocol 4, clean session, keep-alive 60, client id "pi-6".
  resumed.write(Buffer.from('101000044d51545404 02003c 0004 70692d36'.replaceAll(' ', ''), 'hex'))
  const answer = await new Promise<Buffer>((resolve) => resumed.once('data', resolve))
  expect(answer.toString('hex')).toBe('20020000')
  expect([...broker.broker.connected()].map((client) => client.id)).toContain('pi-6')
  resumed.destroy()
})

test("a foreign client's certificate makes it a client, not a node", async () => {
  await connectClient(broker.port, await clientCredentials(broker.authority, 'grafana'))
  expect([...broker.broker.connected()]).toContainEqual(expect.objectContaining({ kind: 'client', id: 'grafana' }))
})
