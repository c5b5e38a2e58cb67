import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  type Credentials,
  clientCredentials,
  connectClient,
  endClients,
  inbox,
  nodeCredentials,
  startBroker,
  type TestBroker,
} from './support.ts'

let broker: TestBroker
beforeEach(async () => {
  broker = await startBroker({ limits: { maxQueuedMessages: 5 } })
})
afterEach(async () => {
  await endClients()
  await broker.close()
})

async function restart(): Promise<void> {
  await broker.close()
  broker = await startBroker({ limits: { maxQueuedMessages: 5 }, former: broker })
}

/** As after a kill: what is in the database stays, nothing more is said. */
async function kill(): Promise<void> {
  const former = { authority: broker.authority, db: broker.db }
  const snapshot = broker.db.serialize()
  await endClients()
  await broker.close()
  const { default: Database } = await import('better-sqlite3')
  broker = await startBroker({ limits: { maxQueuedMessages: 5 }, former: { ...former, db: new Database(snapshot) } })
}

async function connectScreen(options: { clean?: boolean } = {}) {
  broker.grants.set('screen', { read: ['hypha/greens/m/#'], write: ['hypha/greens/m/#'] })
  credentials ??= await clientCredentials(broker.authority, 'screen')
  return connectClient(broker.port, credentials, options)
}
let credentials: Credentials | undefined
beforeEach(() => {
  credentials = undefined
})

const publish = (topic: string, text: string, retain = false) =>
  broker.broker.publish(`hypha/greens/${topic}`, Buffer.from(text), { qos: 1, retain })

test('retained messages are there after a restart, the last of each topic, without the cleared ones', async () => {
  await publish('m/a/x', 'old', true)
  await publish('m/a/x', 'new', true)
  await publish('m/a/y', 'gone', true)
  await publish('m/a/y', '', true)
  await publish('m/b', 'kept', true)
  await restart()
  const screen = await connectScreen()
  const received = inbox(screen)
  await screen.subscribeAsync('hypha/greens/m/#', { qos: 1 })
  await vi.waitFor(() => expect(received.toSorted()).toEqual(['!hypha/greens/m/a/x new', '!hypha/greens/m/b kept']))
})

test('a retained message is durable when publishing it has resolved', async () => {
  await publish('b/root', 'root', true)
  const stored = broker.db.prepare('SELECT topic, payload FROM broker_retained').all()
  expect(stored).toEqual([{ topic: 'hypha/greens/b/root', payload: Buffer.from('root') }])
})

test('those that are subscribed get a retained message as news, without the flag', async () => {
  const node = await connectClient(broker.port, await nodeCredentials(broker.authority, 'pi-1'))
  const received = inbox(node)
  await node.subscribeAsync('hypha/greens/b/root', { qos: 1 })
  await publish('b/root', 'root', true)
  await vi.waitFor(() => expect(received).toEqual(['hypha/greens/b/root root']))
})

test('a persistent session gets what was published while it was away, also over a restart', async () => {
  const screen = await connectScreen({ clean: false })
  await screen.subscribeAsync('hypha/greens/m/#', { qos: 1 })
  await screen.endAsync()
  await publish('m/a', 'first')
  await restart()
  await publish('m/a', 'second')
  const again = await connectScreen({ clean: false })
  const received = inbox(again)
  await vi.waitFor(() => expect(received).toEqual(['hypha/greens/m/a first', 'hypha/greens/m/a second']))
  await vi.waitFor(() => expect(broker.db.prepare('SELECT * FROM broker_queue').all()).toEqual([]))
})

test('the oldest messages make room when a session is away for long, and that is reported', async () => {
  const screen = await connectScreen({ clean: false })
  await screen.subscribeAsync('hypha/greens/m/#', { qos: 1 })
  await screen.endAsync()
  for (const text of ['1', '2', '3', '4', '5', '6', '7']) await publish('m/a', text)
  expect(broker.dropped).toEqual([
    ['screen', 1],
    ['screen', 1],
  ])
  await restart()
  const received = inbox(await connectScreen({ clean: false }))
  await vi.waitFor(() => expect(received.map((line) => line.slice(-1)).join('')).toBe('34567'))
})

test('a subscription that was refused is not queued for either', async () => {
  broker.grants.set('screen', { read: ['hypha/greens/m/a'], write: [] })
  credentials = await clientCredentials(broker.authority, 'screen')
  const screen = await connectClient(broker.port, credentials, { clean: false })
  await screen.subscribeAsync(['hypha/greens/m/a', 'hypha/greens/m/secret'], { qos: 1 }).catch(() => undefined)
  await screen.endAsync()
  await publish('m/secret', 'x')
  expect(broker.db.prepare('SELECT filter FROM broker_subscription').all()).toEqual([{ filter: 'hypha/greens/m/a' }])
  expect(broker.db.prepare('SELECT * FROM broker_queue').all()).toEqual([])
})

test('a clean session ends the persistent one before it', async () => {
  const screen = await connectScreen({ clean: false })
  await screen.subscribeAsync('hypha/greens/m/#', { qos: 1 })
  await screen.endAsync()
  await publish('m/a', 'x')
  const received = inbox(await connectScreen({ clean: true }))
  await publish('m/a', 'y')
  await restart()
  expect(received).toEqual([])
  for (const table of ['broker_subscription', 'broker_queue']) {
    expect(broker.db.prepare(`SELECT * FROM ${table}`).all()).toEqual([])
  }
})

test('a node that was connected when the gateway was killed is said to be gone after it', async () => {
  const topic = 'hypha/greens/n/pi-1/presence'
  const will = { topic, payload: Buffer.from('gone'), qos: 1 as const, retain: true }
  const node = await connectClient(broker.port, await nodeCredentials(broker.authority, 'pi-1'), { will })
  await node.publishAsync(topic, 'here', { qos: 1, retain: true })
  await vi.waitFor(() => expect([...broker.broker.retained(topic)]).toMatchObject([{ topic }]))
  await kill()
  expect([...broker.broker.retained(topic)].map(({ payload }) => payload.toString())).toEqual(['gone'])
  expect(broker.db.prepare('SELECT * FROM broker_will').all()).toEqual([])
})

test('a connection that takes over is not followed by the word that the node is gone', async () => {
  const topic = 'hypha/greens/n/pi-1/presence'
  const node = await nodeCredentials(broker.authority, 'pi-1')
  const will = (text: string) => ({ will: { topic, payload: Buffer.from(text), qos: 1 as const, retain: true } })
  await connectClient(broker.port, node, will('gone 1'))
  const second = await connectClient(broker.port, node, will('gone 2'))
  await second.publishAsync(topic, 'here 2', { qos: 1, retain: true })
  await vi.waitFor(() =>
    expect([...broker.broker.retained(topic)].map(({ payload }) => payload.toString())).toEqual(['here 2']),
  )
  expect(broker.heard.map(({ text }) => text)).toEqual(['here 2'])
  // The second one's will still stands, should the gateway be killed now.
  expect(broker.db.prepare('SELECT payload FROM broker_will').all()).toEqual([{ payload: Buffer.from('gone 2') }])
})

test('of a client that is forgotten nothing is left', async () => {
  const screen = await connectScreen({ clean: false })
  await screen.subscribeAsync('hypha/greens/m/#', { qos: 1 })
  await broker.broker.forget('screen')
  await publish('m/a', 'x')
  for (const table of ['broker_subscription', 'broker_queue', 'broker_will']) {
    expect(broker.db.prepare(`SELECT * FROM ${table}`).all()).toEqual([])
  }
  expect([...broker.broker.connected()]).toEqual([])
})
