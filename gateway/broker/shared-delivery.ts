import type { BrokerWrite } from '../store/ports/broker.ts'
import { type QueuedPacket, type SessionQueue, type Shared, sharedKey } from './queue.ts'

/** Packet ids from here on are those of shared deliveries; below, each client has its own. */
export const firstCommonId = 0x8000
const commonIds = 0x8000

interface SharedDeliveryPorts {
  readonly queueOf: (client: string) => SessionQueue | undefined
  /** A client is done with it. */
  readonly onSettled: (delivery: SharedDelivery) => void
}

/**
 * One QoS 1 message that waits for many persistent sessions: its bytes are kept once, in memory and in the store, with the names of those that have not acknowledged it. A row for each of
 * ten thousand costs more than the sending.
 */
export class SharedDelivery implements Shared {
  readonly id: number
  readonly topic: string
  readonly payload: Buffer
  readonly key: string
  /** That all of them get it with, so that all get the same bytes. */
  readonly messageId: number
  readonly bytes: number
  readonly #waiting: Set<string>
  readonly #ports: SharedDeliveryPorts

  constructor(
    message: { readonly id: number; readonly topic: string; readonly payload: Buffer },
    waiting: Set<string>,
    ports: SharedDeliveryPorts,
  ) {
    this.id = message.id
    this.topic = message.topic
    this.payload = message.payload
    this.#waiting = waiting
    this.key = sharedKey(this.id)
    this.messageId = firstCommonId + (this.id % commonIds)
    this.bytes = message.payload.length + message.topic.length
    this.#ports = ports
  }

  get clients(): ReadonlySet<string> {
    return this.#waiting
  }

  packet(): QueuedPacket {
    const { id, topic, payload } = this
    const packet = { cmd: 'publish', topic, payload, qos: 1 as const, retain: false, dup: false, messageId: undefined }
    return Object.assign(packet, { brokerId: 'stored', brokerCounter: id })
  }

  /** It is about to be sent: under which packet id, the common one unless the client has that in use; then `another`. Null if it was sent already, or isn't queued any more. */
  begin(client: string, another: () => number): number | null {
    return this.#ports.queueOf(client)?.begin(this.key, this.messageId, another) ?? null
  }

  /** The client may not have it (any more). */
  drop(client: string): void {
    this.#ports.queueOf(client)?.remove(this.key)
    this.settle(client)
  }

  settle(client: string): void {
    if (this.#waiting.delete(client)) this.#ports.onSettled(this)
  }

  /** Written when the store gets to it, with the clients that wait by then. */
  toWrite(op: 'broadcast' | 'settle'): BrokerWrite {
    const { id, topic, payload, clients } = this
    return op === 'broadcast' ? { op, id, topic, payload, clients } : { op, id, clients }
  }
}
