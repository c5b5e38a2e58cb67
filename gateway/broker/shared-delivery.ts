import type { BrokerWrite } from '../store/ports/broker.ts'
import { type QueuedPacket, type Removed, type SessionQueue, type Shared, sharedKey } from './queue.ts'

/** Packet ids from here on are those of shared deliveries; below, each client has its own. */
export const firstCommonId = 0x8000
const commonIds = 0x8000

/**
 * One QoS 1 message that waits for many persistent sessions: its bytes are kept once, in memory and in the store, with the names of those that have not acknowledged it: a row for each of
 * ten thousand would cost more than the sending. Whom it waits for, their queues say.
 */
export class SharedDelivery implements Shared {
  readonly id: number
  readonly topic: string
  readonly payload: Buffer
  readonly key: string
  /** That all of them get it with, so that all get the same bytes. */
  readonly messageId: number
  readonly bytes: number
  /** That it was put in; some may have it no more. */
  #queues: SessionQueue[] = []
  #waiting = 0
  readonly #onSettled: (delivery: SharedDelivery) => void

  /** `onSettled` is told each time that a client is done with it. */
  constructor(
    message: { readonly id: number; readonly topic: string; readonly payload: Buffer },
    onSettled: (delivery: SharedDelivery) => void,
  ) {
    this.id = message.id
    this.topic = message.topic
    this.payload = message.payload
    this.key = sharedKey(this.id)
    this.messageId = firstCommonId + (this.id % commonIds)
    this.bytes = message.payload.length + message.topic.length
    this.#onSettled = onSettled
  }

  /** How many have not acknowledged it. */
  get waiting(): number {
    return this.#waiting
  }

  /** Their names, as it stands when they are asked for one by one. */
  *#clients(): Generator<string> {
    this.#queues = this.#queues.filter((queue) => queue.has(this.key))
    for (const { client } of this.#queues) yield client
  }

  /** Once for each queue, though several of its subscriptions match. Returns what made room for it. */
  enqueue(queue: SessionQueue): readonly Removed[] {
    if (queue.has(this.key)) return []
    this.#queues.push(queue)
    this.#waiting++
    return queue.addShared(this)
  }

  packet(): QueuedPacket {
    const { id, topic, payload } = this
    const packet = { cmd: 'publish', topic, payload, qos: 1 as const, retain: false, dup: false, messageId: undefined }
    return Object.assign(packet, { brokerId: 'stored', brokerCounter: id })
  }

  /** It is about to be sent: under which packet id, the common one unless the client has that in use; then `another`. Null if it was sent already, or isn't queued any more. */
  begin(queue: SessionQueue, another: () => number): number | null {
    return queue.begin(this.key, this.messageId, another)
  }

  /** The client may not have it (any more). */
  drop(queue: SessionQueue): void {
    queue.remove(this.key)
  }

  settle(): void {
    this.#waiting--
    this.#onSettled(this)
  }

  /** Written when the store gets to it, with the clients that wait by then. */
  toWrite(op: 'broadcast' | 'settle'): BrokerWrite {
    const { id, topic, payload } = this
    const clients = { [Symbol.iterator]: () => this.#clients() }
    return op === 'broadcast' ? { op, id, topic, payload, clients } : { op, id, clients }
  }
}
