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
    for (const next of [...deliveries, ...broadcasts].sort((a, b) => a.id - b.id)) {
      this.#nextDelivery = Math.max(this.#nextDelivery, next.id + 1)
      if ('clients' in next) this.#enqueueFor(next.clients, this.#shared(next))
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

  /** One message for all of them, with one entry in the store; resolves when that is durable. A client may be named more than once. */
  async enqueueShared(clients: Iterable<string>, topic: string, payload: Uint8Array): Promise<SharedDelivery> {
    const delivery = this.#shared({ id: this.#nextDelivery++, topic, payload })
    // First: one that takes more room than a queue has is settled at once.
    const written = this.#commit.add(delivery.toWrite('broadcast'))
    this.#enqueueFor(clients, delivery)
    await written
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
    this.#dequeue(cleared)
    return cleared.packet
  }

  /** Undefined where nothing ever waited for it. */
  of(client: string): SessionQueue | undefined {
    return this.#queues.get(client)
  }

  packets(client: string): ReturnType<SessionQueue['packets']> | readonly [] {
    return this.#queues.get(client)?.packets() ?? []
  }

  clear(client: string): void {
    for (const entry of this.#queues.get(client)?.clear() ?? []) this.#dequeue(entry)
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
      queue = new SessionQueue(client, this.#options)
      this.#queues.set(client, queue)
    }
    return queue
  }

  #shared({ id, topic, payload }: { id: number; topic: string; payload: Uint8Array }): SharedDelivery {
    return new SharedDelivery({ id, topic, payload: Buffer.from(payload) }, (settled) => this.#settle(settled))
  }

  #enqueueFor(clients: Iterable<string>, delivery: SharedDelivery): void {
    for (const client of clients) this.#drop(client, delivery.enqueue(this.#queueOf(client)))
  }

  #drop(client: string, dropped: readonly Removed[]): void {
    for (const old of dropped) this.#dequeue(old)
    if (dropped.length > 0) this.#options.onDropped(client, dropped.length)
  }

  /** What is shared has settled itself. */
  #dequeue({ id, shared }: Removed): void {
    if (!shared) this.#commit.addBehind({ op: 'dequeue', id })
  }

  /** Who acknowledged is written down when all have, and now and then: until then a restart sends it to some once more, which QoS 1 allows. */
  #settle(delivery: SharedDelivery): void {
    if (delivery.waiting === 0) {
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
