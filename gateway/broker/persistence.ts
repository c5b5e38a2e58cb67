import { Readable } from 'node:stream'
import type { BrokerStore, StoredMessage } from '../store/ports/broker.ts'
import { GroupCommit } from './group-commit.ts'
import { type IncomingPacket, IncomingPackets } from './incoming-packets.ts'
import type { QueuedPacket, QueueLimits, SessionQueue } from './queue.ts'
import { SessionQueues } from './session-queues.ts'
import type { SharedDelivery } from './shared-delivery.ts'
import { FilterTree, hasWildcard, TopicTree } from './topic-tree.ts'

// The contract of aedes-persistence 11 (its asyncPersistence.js): what aedes calls, with what it passes. Everything is in memory for
// look-ups, and written behind to the store in groups; what a promise to a caller rests on is awaited.

type Qos = 0 | 1 | 2

interface ClientRef {
  readonly id: string
}

/** As aedes hands them over; it may add fields of MQTT 5, which are kept in memory. */
interface Subscription {
  topic: string
  qos: Qos
  [more: string]: unknown
}

interface WillPacket {
  topic: string
  payload: Buffer | string
  qos: Qos
  retain: boolean
  brokerId?: string
  clientId?: string
}

interface AedesRef {
  readonly id: string
  readonly clients?: Readonly<Record<string, { closed: boolean; will: unknown } | undefined>>
}

export interface PersistenceOptions extends QueueLimits {
  /** QoS 2 messages of one client that it hasn't released, over all its connections. */
  readonly maxIncoming: number
  /** Whether a client may have this subscription: aedes hands over refused ones with the others of their packet. */
  readonly admits: (client: ClientRef, filter: string) => boolean
  /** A persistent session was away for so long that its oldest messages made room. */
  readonly onDropped: (client: string, count: number) => void
  /** The store failed; what was written behind is lost unless it is written again. */
  readonly onError: (error: unknown) => void
}

export class BrokerPersistence {
  readonly #store: BrokerStore
  readonly #options: PersistenceOptions
  readonly #commit: GroupCommit
  #aedes: AedesRef | null = null

  readonly #retained = new TopicTree<object & StoredMessage>()
  readonly #sessions = new Map<string, Map<string, Subscription>>()
  /** Of subscriptions with QoS above 0: only those are queued for. */
  readonly #filters = new FilterTree<Subscription & { clientId: string }>()
  readonly #queues: SessionQueues
  readonly #wills = new Map<string, WillPacket>()
  readonly #incoming: IncomingPackets

  constructor(store: BrokerStore, options: PersistenceOptions) {
    this.#store = store
    this.#options = options
    this.#commit = new GroupCommit(store, options.onError)
    this.#queues = new SessionQueues(options, this.#commit)
    this.#incoming = new IncomingPackets(options)
  }

  get broker(): AedesRef | null {
    return this.#aedes
  }

  async setup(aedes: AedesRef): Promise<void> {
    this.#aedes = aedes
    const contents = await this.#store.load()
    for (const message of contents.retained) {
      this.#retained.set(message.topic, retainedPacket(message))
    }
    for (const { client, filter, qos } of contents.subscriptions) this.#subscribe(client, { topic: filter, qos })
    this.#queues.restore(contents)
    for (const { client, topic, payload, qos, retain } of contents.wills) {
      this.#wills.set(client, {
        topic,
        payload: Buffer.from(payload),
        qos,
        retain,
        clientId: client,
        brokerId: 'stored',
      })
    }
  }

  // Retained messages

  get retainedCount(): number {
    return this.#retained.size
  }

  isRetained(topic: string): boolean {
    return this.#retained.get(topic) !== undefined
  }

  retained(filter: string): Iterable<StoredMessage> {
    return this.#retained.match(filter)
  }

  /** Resolves when it is durable. An empty payload clears the topic [MQTT-3.3.1-10]. */
  async storeRetained(packet: StoredMessage): Promise<void> {
    const { topic, payload, qos } = packet
    if (payload.length === 0) {
      if (this.#retained.get(topic) === undefined) return
      this.#retained.delete(topic)
      return this.#commit.add({ op: 'unretain', topic })
    }
    // A copy: the payload may be a slice of a network buffer that is a hundred times larger.
    const kept = { ...packet, payload: Buffer.from(payload) }
    this.#retained.set(topic, kept)
    return this.#commit.add({ op: 'retain', topic, payload: kept.payload, qos })
  }

  createRetainedStream(filter: string): Readable {
    return this.createRetainedStreamCombi([filter])
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return readableOf(filters.flatMap((filter) => this.#collectRetained(filter)))
  }

  #collectRetained(filter: string): object[] {
    if (hasWildcard(filter)) return [...this.#retained.match(filter)]
    const packet = this.#retained.get(filter)
    return packet === undefined ? [] : [packet]
  }

  // Subscriptions of persistent sessions

  async addSubscriptions(client: ClientRef, subscriptions: readonly Subscription[]): Promise<void> {
    let written: Promise<void> | null = null
    for (const subscription of subscriptions) {
      const { topic: filter, qos } = subscription
      if (!this.#options.admits(client, filter)) continue
      const before = this.#sessions.get(client.id)?.get(filter)
      this.#subscribe(client.id, subscription)
      // aedes hands over the whole packet once for each of its subscriptions.
      if (before?.qos === qos) continue
      written = this.#commit.add({ op: 'subscribe', client: client.id, filter, qos })
    }
    if (written) await written
  }

  #subscribe(client: string, subscription: Subscription): void {
    const { topic, qos, rh, rap, nl } = subscription
    let session = this.#sessions.get(client)
    if (!session) {
      session = new Map()
      this.#sessions.set(client, session)
    }
    session.set(topic, { ...subscription })
    if (qos > 0) this.#filters.set(topic, client, { clientId: client, topic, qos, rh, rap, nl })
    else this.#filters.delete(topic, client)
  }

  async removeSubscriptions(client: ClientRef, filters: readonly string[]): Promise<void> {
    const session = this.#sessions.get(client.id)
    let written: Promise<void> | null = null
    for (const filter of filters) {
      if (!session?.delete(filter)) continue
      this.#filters.delete(filter, client.id)
      written = this.#commit.add({ op: 'unsubscribe', client: client.id, filter })
    }
    if (session?.size === 0) this.#sessions.delete(client.id)
    if (written) await written
  }

  /** Also ends the session's queue: aedes calls it when a client begins a clean session [MQTT-3.1.2-6]. */
  async cleanSubscriptions(client: ClientRef): Promise<void> {
    this.#queues.clear(client.id)
    await this.removeSubscriptions(client, [...(this.#sessions.get(client.id)?.keys() ?? [])])
  }

  async subscriptionsByClient(client: ClientRef): Promise<Subscription[]> {
    return [...(this.#sessions.get(client.id)?.values() ?? [])].map((subscription) => ({ ...subscription }))
  }

  async subscriptionsByTopic(topic: string): Promise<(Subscription & { clientId: string })[]> {
    return this.#filters.match(topic)
  }

  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    return { subsCount: this.#filters.size, clientsCount: this.#sessions.size }
  }

  getClientList(filter: string): Readable {
    return readableOf([...this.#sessions].filter(([, session]) => session.has(filter)).map(([client]) => client))
  }

  // Messages to persistent sessions

  async outgoingEnqueue(subscription: { clientId: string }, packet: QueuedPacket): Promise<void> {
    return this.outgoingEnqueueCombi([subscription], packet)
  }

  async outgoingEnqueueCombi(subscriptions: readonly { clientId: string }[], packet: QueuedPacket): Promise<void> {
    const clients = subscriptions.map(({ clientId }) => clientId)
    return this.#queues.enqueue(clients, packet)
  }

  /**
   * Queues a QoS 1 message for every persistent session that subscribes to it with QoS above 0, whether its client is connected or away; resolves when that is durable, with what to
   * send it by. Null where there is none.
   */
  async enqueueForAll(topic: string, payload: Uint8Array): Promise<SharedDelivery | null> {
    const clients = this.#filters.match(topic).map(({ clientId }) => clientId)
    return clients.length === 0 ? null : this.#queues.enqueueShared(clients, topic, payload)
  }

  async outgoingUpdate(client: ClientRef, packet: QueuedPacket): Promise<void> {
    this.#queues.update(client.id, packet)
  }

  async outgoingClearMessageId(client: ClientRef, packet: { messageId?: number }): Promise<QueuedPacket | undefined> {
    return this.#queues.acknowledge(client.id, packet.messageId)
  }

  /** What waits for a client; undefined where nothing ever did. It stays the same as long as the client is connected. */
  queueOf(client: string): SessionQueue | undefined {
    return this.#queues.of(client)
  }

  outgoingStream(client: ClientRef): Readable {
    return readableOf(this.#queues.packets(client.id))
  }

  // QoS 2 messages from clients

  async incomingStorePacket(client: ClientRef, packet: IncomingPacket): Promise<void> {
    this.#incoming.add(client.id, packet)
  }

  async incomingGetPacket(client: ClientRef, packet: IncomingPacket): Promise<IncomingPacket> {
    return this.#incoming.get(client.id, packet)
  }

  hasIncoming(client: ClientRef, messageId: number | undefined): boolean {
    return this.#incoming.has(client.id, messageId)
  }

  async incomingDelPacket(client: ClientRef, packet: IncomingPacket): Promise<void> {
    this.#incoming.release(client.id, packet)
  }

  async cleanIncoming(client: ClientRef): Promise<void> {
    this.#incoming.clear(client.id)
  }

  // Wills

  async putWill(client: ClientRef, will: WillPacket): Promise<void> {
    // aedes asks for these two on the packet itself.
    will.brokerId = this.#aedes!.id
    will.clientId = client.id
    this.#wills.set(client.id, will)
    const { topic, qos, retain } = will
    await this.#commit.add({ op: 'will', client: client.id, topic, payload: Buffer.from(will.payload), qos, retain })
  }

  async getWill(client: ClientRef): Promise<WillPacket | undefined> {
    return this.#wills.get(client.id)
  }

  async delWill(client: ClientRef): Promise<WillPacket | undefined> {
    const will = this.#wills.get(client.id)
    if (!will || this.#belongsToSuccessor(client)) return undefined
    this.#wills.delete(client.id)
    this.#commit.addBehind({ op: 'unwill', client: client.id })
    return will
  }

  /** A connection that was taken over deletes its will by the name alone, when its successor has already put down its own. */
  #belongsToSuccessor(client: ClientRef): boolean {
    const current = this.#aedes?.clients?.[client.id]
    return current !== undefined && current !== (client as unknown) && !current.closed && current.will !== null
  }

  /** Wills of clients that aren't connected to a broker of `brokers`, by broker id. */
  streamWill(brokers: Readonly<Record<string, unknown>> = {}): Readable {
    return readableOf([...this.#wills.values()].filter((will) => brokers[will.brokerId ?? ''] === undefined))
  }

  /** What former runs of the broker left: their clients' connections ended without a word. */
  leftWills(): WillPacket[] {
    return [...this.#wills.values()].filter((will) => will.brokerId === 'stored')
  }

  // Life

  /** Resolves when everything so far was written, or has failed. */
  flush(): Promise<void> {
    this.#queues.writeUnsettled()
    return this.#commit.flush()
  }

  async destroy(): Promise<void> {
    await this.flush()
  }
}

function retainedPacket({ topic, payload, qos }: StoredMessage) {
  return { cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain: true }
}

/** `Readable.from` would step through an async iterator. */
function readableOf(items: readonly unknown[]): Readable {
  let next = 0
  return new Readable({
    objectMode: true,
    highWaterMark: 1,
    read() {
      this.push(next < items.length ? items[next++] : null)
    },
  })
}
