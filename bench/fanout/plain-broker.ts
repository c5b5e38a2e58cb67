import { type AddressInfo, createServer } from 'node:net'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { Aedes } from 'aedes'
import { accessRules } from '../../gateway/broker/access.ts'
import { defaultLimits } from '../../gateway/broker/broker.ts'
import { Fanout } from '../../gateway/broker/fanout.ts'
import { BrokerPersistence } from '../../gateway/broker/persistence.ts'
import type { BrokerStore } from '../../gateway/store/ports/broker.ts'

/** The embedded broker's parts on a listener without TLS, which the gateway doesn't have: clients are called what they say. */
export async function createPlainBroker(fleet: string, store: BrokerStore) {
  const rules = accessRules(fleetTopics(fleet), () => null)
  const onDropped = (client: string, count: number) => console.error('dropped', client, count)
  const persistence = new BrokerPersistence(store, {
    ...defaultLimits,
    maxIncoming: defaultLimits.maxInflightQos2,
    admits: () => true,
    onDropped,
    onError: (error) => console.error(error),
  })
  const fanout = new Fanout({
    ...defaultLimits,
    partyOf: ({ id }) => ({ kind: 'node', id }),
    mayRead: (party, topic) => rules.maySubscribe(party, topic),
    queueOf: (client) => persistence.queueOf(client),
    onDropped,
  })
  const aedes = new Aedes({ persistence, concurrency: 0, drainTimeout: defaultLimits.drainTimeoutMs })
  aedes.on('clientReady', (client) => fanout.ready(client))
  await aedes.listen()
  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => fanout.track(aedes.handle(socket)))
  return {
    listen: () =>
      new Promise<{ port: number }>((resolve) =>
        server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () =>
          resolve({ port: (server.address() as AddressInfo).port }),
        ),
      ),
    async publish(topic: string, payload: Uint8Array, { qos }: { qos: 0 | 1 }): Promise<void> {
      const delivery = qos === 0 ? null : await persistence.enqueueForAll(topic, payload)
      await fanout.publish(topic, payload, qos, delivery)
    },
  }
}
