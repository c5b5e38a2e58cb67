import { createPublicKey } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Link } from '../../../agent/link/link.ts'
import { type Credentials, nodeCredentials, startBroker, type TestBroker } from '../../gateway/broker/support.ts'
import { openLink, untilOnline, untilState } from './support.ts'

let broker: TestBroker
let link: Link | null = null

beforeEach(async () => {
  broker = await startBroker()
})
afterEach(async () => {
  await link?.close()
  await broker.close()
})

async function renewed({ id, key }: Credentials): Promise<string> {
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32)
  return (await broker.authority.issueNode({ id, publicKey: new Uint8Array(publicKey) })).certificate
}

const fingerprints = (): string[] =>
  broker.events.filter(({ kind }) => kind === 'connected').map(({ client }) => client.fingerprint)

test('A link that is online connects anew with the renewed certificate, and its subscriptions hold.', async () => {
  const node = await nodeCredentials(broker.authority, 'pi-7')
  const opened = openLink(broker.port, node)
  link = opened.link
  const heard: string[] = []
  link.subscribe('hypha/greens/n/pi-7/down/ack', (_topic, payload) => heard.push(new TextDecoder().decode(payload)))
  await untilOnline(link)
  link.renew({ ca: node.ca, certificate: await renewed(node), host: '127.0.0.1', port: broker.port })
  await untilState(link, 'offline')
  await untilOnline(link)
  expect(new Set(fingerprints()).size).toBe(2)
  await broker.broker.publish('hypha/greens/n/pi-7/down/ack', new TextEncoder().encode('there'), { qos: 1 })
  await expect.poll(() => heard).toEqual(['there'])
})

test('A node that waits after a refusal comes at once with the renewed certificate, wherever the broker is now.', async () => {
  const node = await nodeCredentials(broker.authority, 'pi-7')
  const nobody = await startBroker()
  await nobody.close()
  // The wait would last longer than the test.
  const clock = { after: () => () => undefined }
  const opened = openLink(nobody.port, node, { clock })
  link = opened.link
  await expect.poll(() => opened.errors.length).toBe(1)
  link.renew({ ca: node.ca, certificate: await renewed(node), host: '127.0.0.1', port: broker.port })
  await untilOnline(link)
})
