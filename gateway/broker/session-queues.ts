import type { BrokerContents } from '../store/ports/broker.ts'
import type { GroupCommit } from './group-commit.ts'
import { fromDelivery, type QueuedPacket, type QueueLimits, type Removed, SessionQueue, toDelivery } from './queue.ts'
import { SharedDelivery } from './shared-delivery.ts'

interface SessionQueuesOptions extends QueueLimits {
  /** A persistent session was away for so long that its oldest messages made room. */
  readonly onDropped: (client: string, count: number) => void
}

const settleEveryMs = 1_000

/** Messages that persistent sessions haven't acknowledged yet, in the order in which they came: in memory, and written behind. */
export class SessionQueues {
  readonly #options: SessionQueuesOptions
  readonly #commit: GroupCommit
  /** An empty one stays: the next broadcast fills it again. */
  readonly #queues = new Map<string, SessionQueue>()
  #nextDelivery = 1
  /** Of which some clients have acknowledged since it was written. */
  readonly #unsettled = new Set<SharedDelivery>()
  #settleTimer: NodeJS.Timeout | null = null

  constructor(options: SessionQueuesOptions, commit: GroupCommit) {
    this.#options = options
    this.#commit = commit
  }

  /** What a former run left. */
  restore({ deliveries, broadcasts }: Pick<BrokerContents, 'deliveries' | 'broadcasts'>): void {
    const shared = [...broadcasts].map((stored) =>
      this.#shared({ ...stored, payload: Buffer.from(stored.payload) }, new Set(stored.clients)),
    )
    for (const next of [...deliveries, ...shared].sort((a, b) => a.id - b.id)) {
      this.#nextDelivery = Math.max(this.#nextDelivery, next.id + 1)
      if (next instanceof SharedDelivery) this.#enqueueFor(next.clients, next)
      else this.#queueOf(next.client).add(next.id, fromDelivery(next))
    }
  }

  /** Resolves when it is durable. */
  async enqueue(clients: readonly string[], packet: QueuedPacket): Promise<void> {
    let written: Promise<void> | null = null
    for (const client of clients) {
      const id = this.#nextDelivery++
      const queued = queuedPacket(packet)
      const dropped = this.#queueOf(client).add(id, queued)
      written = this.#commit.add({ op: 'enqueue', ...toDelivery(client, id, queued) })
      this.#drop(client, dropped)
    }
    if (written) await written
  }

  /** One message for all of them, with one entry in the store; resolves when that is durable. From now on the set is the delivery's own. */
  async enqueueShared(clients: Set<string>, topic: string, payload: Uint8Array): Promise<SharedDelivery> {
    const delivery = this.#shared({ id: this.#nextDelivery++, topic, payload: Buffer.from(payload) }, clients)
    this.#enqueueFor(clients, delivery)
    await this.#commit.add(delivery.toWrite('broadcast'))
    return delivery
  }

  /** A packet that made room for newer ones meanwhile is no error: it is sent, and its acknowledgement finds nothing. */
  update(client: string, packet: QueuedPacket): void {
    const queue = this.#queues.get(client)
    if (packet.cmd !== 'pubrel') {
      queue?.number(packet, packet.messageId)
      return
    }
    const stored = queue?.release(client, packet)
    if (stored) this.#commit.addBehind({ op: 'enqueue', ...stored })
  }

  /** What was acknowledged; undefined where the id is of nothing. */
  acknowledge(client: string, messageId: number | undefined): QueuedPacket | undefined {
    const queue = this.#queues.get(client)
    const cleared = queue?.acknowledge(messageId)
    if (!cleared) return undefined
    this.#dequeue(client, cleared)
    return cleared.packet
  }

  /** False where the id is of anything else than what waits for others, too, or of nothing: then nothing has happened. */
  acknowledgeShared(client: string, messageId: number): boolean {
    const queue = this.#queues.get(client)
    const shared = queue?.acknowledgeShared(messageId)
    if (!shared) return false
    shared.settle(client)
    return true
  }

  packets(client: string): ReturnType<SessionQueue['packets']> | readonly [] {
    return this.#queues.get(client)?.packets() ?? []
  }

  clear(client: string): void {
    for (const entry of this.#queues.get(client)?.all() ?? []) this.#dequeue(client, entry)
    this.#queues.delete(client)
  }

  writeUnsettled(): void {
    if (this.#settleTimer) clearTimeout(this.#settleTimer)
    this.#settleTimer = null
    for (const delivery of this.#unsettled) this.#commit.addBehind(delivery.toWrite('settle'))
    this.#unsettled.clear()
  }

  #queueOf(client: string): SessionQueue {
    let queue = this.#queues.get(client)
    if (!queue) {
      queue = new SessionQueue(this.#options)
      this.#queues.set(client, queue)
    }
    return queue
  }

  #shared(message: { id: number; topic: string; payload: Buffer }, clients: Set<string>): SharedDelivery {
    return new SharedDelivery(message, clients, {
      queueOf: (client) => this.#queues.get(client),
      onSettled: (settled) => this.#settle(settled),
    })
  }

  #enqueueFor(clients: Iterable<string>, delivery: SharedDelivery): void {
    for (const client of clients) this.#drop(client, this.#queueOf(client).addShared(delivery))
  }

  #drop(client: string, dropped: readonly Removed[]): void {
    for (const old of dropped) this.#dequeue(client, old)
    if (dropped.length > 0) this.#options.onDropped(client, dropped.length)
  }

  #dequeue(client: string, { id, shared }: Removed): void {
    if (shared) shared.settle(client)
    else this.#commit.addBehind({ op: 'dequeue', id })
  }

  /** Who acknowledged is written down when all have, and now and then: until then a restart sends it to some once more, which QoS 1 allows. */
  #settle(delivery: SharedDelivery): void {
    if (delivery.clients.size === 0) {
      this.#unsettled.delete(delivery)
      this.#commit.addBehind(delivery.toWrite('settle'))
      return
    }
    this.#unsettled.add(delivery)
    this.#settleTimer ??= setTimeout(() => this.writeUnsettled(), settleEveryMs).unref()
  }
}

function queuedPacket(packet: QueuedPacket): QueuedPacket {
  const { cmd = 'publish', brokerId, brokerCounter, topic, payload, qos, retain = false } = packet
  const kept = typeof payload === 'string' ? payload : Buffer.from(payload)
  const named = brokerId === undefined || brokerCounter === undefined ? {} : { brokerId, brokerCounter }
  return { cmd, ...named, topic, payload: kept, qos, retain, dup: false, messageId: undefined }
}
