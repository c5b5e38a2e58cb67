import { Readable } from 'node:stream'
import type { BrokerStore, StoredMessage } from '../store/ports/broker.ts'
import { GroupCommit } from './group-commit.ts'
import { fromDelivery, type QueuedPacket, type QueueLimits, type Removed, SessionQueue, toDelivery } from './queue.ts'
import { SharedDelivery } from './shared-delivery.ts'
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

interface IncomingPacket {
  messageId?: number
  payload?: Buffer | string
  length?: number
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

const settleEveryMs = 1_000

export class BrokerPersistence {
  readonly #store: BrokerStore
  readonly #options: PersistenceOptions
  readonly #commit: GroupCommit
  #aedes: AedesRef | null = null

  readonly #retained = new TopicTree<object & StoredMessage>()
  readonly #sessions = new Map<string, Map<string, Subscription>>()
  /** Of subscriptions with QoS above 0: only those are queued for. */
  readonly #filters = new FilterTree<Subscription & { clientId: string }>()
  readonly #queues = new Map<string, SessionQueue>()
  #nextDelivery = 1
  /** Of which some clients have acknowledged since it was written. */
  readonly #unsettled = new Set<SharedDelivery>()
  #settleTimer: NodeJS.Timeout | null = null
  readonly #wills = new Map<string, WillPacket>()
  /**
   * QoS 2 messages received and not released yet, by client and message id. Not stored: after a restart in the middle of such a handshake a
   * message may come twice. Hypha's own messages are QoS 1 and carry their own numbers.
   */
  readonly #incoming = new Map<string, Map<number, IncomingPacket>>()

  constructor(store: BrokerStore, options: PersistenceOptions) {
    this.#store = store
    this.#options = options
    this.#commit = new GroupCommit(store, options.onError)
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
    const shared = [...contents.broadcasts].map((stored) =>
      this.#shared({ ...stored, payload: Buffer.from(stored.payload) }, stored.clients),
    )
    for (const next of [...contents.deliveries, ...shared].sort((a, b) => a.id - b.id)) {
      this.#nextDelivery = Math.max(this.#nextDelivery, next.id + 1)
      if (next instanceof SharedDelivery) this.#enqueueFor(next.clients, next)
      else this.#queueOf(next.client).add(next.id, fromDelivery(next))
    }
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
    for (const entry of this.#queues.get(client.id)?.all() ?? []) this.#dequeue(client.id, entry)
    this.#queues.delete(client.id)
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

  #queueOf(client: string): SessionQueue {
    let queue = this.#queues.get(client)
    if (!queue) {
      queue = new SessionQueue(this.#options)
      this.#queues.set(client, queue)
    }
    return queue
  }

  async outgoingEnqueue(subscription: { clientId: string }, packet: QueuedPacket): Promise<void> {
    return this.outgoingEnqueueCombi([subscription], packet)
  }

  async outgoingEnqueueCombi(subscriptions: readonly { clientId: string }[], packet: QueuedPacket): Promise<void> {
    let written: Promise<void> | null = null
    for (const { clientId } of subscriptions) {
      const id = this.#nextDelivery++
      const queued = queuedPacket(packet)
      const dropped = this.#queueOf(clientId).add(id, queued)
      written = this.#commit.add({ op: 'enqueue', ...toDelivery(clientId, id, queued) })
      for (const old of dropped) this.#dequeue(clientId, old)
      if (dropped.length > 0) this.#options.onDropped(clientId, dropped.length)
    }
    if (written) await written
  }

  /**
   * Queues a QoS 1 message for every persistent session that subscribes to it with QoS above 0, whether its client is connected or away; resolves when that is durable, with what to
   * send it by. Null where there is none.
   */
  async enqueueForAll(topic: string, payload: Uint8Array): Promise<SharedDelivery | null> {
    const clients = new Set(this.#filters.match(topic).map(({ clientId }) => clientId))
    if (clients.size === 0) return null
    const delivery = this.#shared({ id: this.#nextDelivery++, topic, payload: Buffer.from(payload) }, clients)
    this.#enqueueFor(clients, delivery)
    await this.#commit.add(delivery.toWrite('broadcast'))
    return delivery
  }

  #shared(message: { id: number; topic: string; payload: Buffer }, clients: Iterable<string>): SharedDelivery {
    return new SharedDelivery(message, clients, {
      queueOf: (client) => this.#queues.get(client),
      onSettled: (settled) => this.#settle(settled),
    })
  }

  #enqueueFor(clients: Iterable<string>, delivery: SharedDelivery): void {
    for (const client of [...clients]) {
      const dropped = this.#queueOf(client).addShared(delivery)
      for (const old of dropped) this.#dequeue(client, old)
      if (dropped.length > 0) this.#options.onDropped(client, dropped.length)
    }
  }

  #dequeue(client: string, { id, shared }: Removed): void {
    if (shared) shared.settle(client)
    else this.#commitBehind({ op: 'dequeue', id })
  }

  /** Who acknowledged is written down when all have, and now and then: until then a restart sends it to some once more, which QoS 1 allows. */
  #settle(delivery: SharedDelivery): void {
    if (delivery.clients.size === 0) {
      this.#unsettled.delete(delivery)
      this.#commitBehind(delivery.toWrite('settle'))
      return
    }
    this.#unsettled.add(delivery)
    this.#settleTimer ??= setTimeout(() => this.#writeUnsettled(), settleEveryMs).unref()
  }

  #writeUnsettled(): void {
    if (this.#settleTimer) clearTimeout(this.#settleTimer)
    this.#settleTimer = null
    for (const delivery of this.#unsettled) this.#commitBehind(delivery.toWrite('settle'))
    this.#unsettled.clear()
  }

  /** A packet that made room for newer ones meanwhile is no error: it is sent, and its acknowledgement finds nothing. */
  async outgoingUpdate(client: ClientRef, packet: QueuedPacket): Promise<void> {
    const queue = this.#queues.get(client.id)
    if (packet.cmd !== 'pubrel') {
      queue?.number(packet, packet.messageId)
      return
    }
    const stored = queue?.release(client.id, packet)
    if (stored) this.#commitBehind({ op: 'enqueue', ...stored })
  }

  async outgoingClearMessageId(client: ClientRef, packet: { messageId?: number }): Promise<QueuedPacket | undefined> {
    const queue = this.#queues.get(client.id)
    const cleared = queue?.acknowledge(packet.messageId)
    if (!cleared) return undefined
    if (queue?.size === 0) this.#queues.delete(client.id)
    this.#dequeue(client.id, cleared)
    return cleared.packet
  }

  /** A client acknowledges what waits for others, too. False where the id is of anything else, or of nothing: then nothing has happened. */
  acknowledgeShared(client: string, messageId: number): boolean {
    const queue = this.#queues.get(client)
    const shared = queue?.acknowledgeShared(messageId)
    if (!shared) return false
    if (queue?.size === 0) this.#queues.delete(client)
    shared.settle(client)
    return true
  }

  outgoingStream(client: ClientRef): Readable {
    return readableOf(this.#queues.get(client.id)?.packets() ?? [])
  }

  // QoS 2 messages from clients

  async incomingStorePacket(client: ClientRef, packet: IncomingPacket): Promise<void> {
    let packets = this.#incoming.get(client.id)
    if (!packets) {
      packets = new Map()
      this.#incoming.set(client.id, packets)
    }
    const isNew = !packets.has(packet.messageId!)
    const bytes = (packet.payload?.length ?? 0) + (isNew ? sum(packets.values()) : 0)
    if (isNew && (packets.size >= this.#options.maxIncoming || bytes > this.#options.maxQueuedBytes)) {
      throw new Error('too many QoS 2 messages await their release')
    }
    const { length: _, ...kept } = packet
    packets.set(packet.messageId!, kept)
  }

  async incomingGetPacket(client: ClientRef, packet: IncomingPacket): Promise<IncomingPacket> {
    const stored = this.#incoming.get(client.id)?.get(packet.messageId!)
    if (!stored) throw new Error('no such packet')
    return stored
  }

  hasIncoming(client: ClientRef, messageId: number | undefined): boolean {
    return messageId !== undefined && this.#incoming.get(client.id)?.has(messageId) === true
  }

  async incomingDelPacket(client: ClientRef, packet: IncomingPacket): Promise<void> {
    if (!this.#incoming.get(client.id)?.delete(packet.messageId!)) throw new Error('no such packet')
  }

  async cleanIncoming(client: ClientRef): Promise<void> {
    this.#incoming.delete(client.id)
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
    this.#commitBehind({ op: 'unwill', client: client.id })
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

  #commitBehind(write: Parameters<GroupCommit['add']>[0]): void {
    // Failures reach onError through the batch.
    this.#commit.add(write).catch(() => undefined)
  }

  /** Resolves when everything so far was written, or has failed. */
  flush(): Promise<void> {
    this.#writeUnsettled()
    return this.#commit.flush()
  }

  async destroy(): Promise<void> {
    await this.flush()
  }
}

const sum = (packets: Iterable<IncomingPacket>): number => {
  let bytes = 0
  for (const { payload } of packets) bytes += payload?.length ?? 0
  return bytes
}

function retainedPacket({ topic, payload, qos }: StoredMessage) {
  return { cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain: true }
}

function queuedPacket(packet: QueuedPacket): QueuedPacket {
  const { cmd = 'publish', brokerId, brokerCounter, topic, payload, qos, retain = false } = packet
  const kept = typeof payload === 'string' ? payload : Buffer.from(payload)
  const named = brokerId === undefined || brokerCounter === undefined ? {} : { brokerId, brokerCounter }
  return { cmd, ...named, topic, payload: kept, qos, retain, dup: false, messageId: undefined }
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
