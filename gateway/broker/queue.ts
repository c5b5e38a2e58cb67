import type { StoredDelivery } from '../store/ports/broker.ts'

/** A packet as aedes hands it over and takes it back; the payload may be a string. */
export interface QueuedPacket {
  cmd: string
  brokerId?: string
  brokerCounter?: number
  topic: string
  payload: Buffer | string
  qos: 0 | 1 | 2
  retain: boolean
  dup: boolean
  messageId: number | undefined
}

/** A message that waits for many: told when one of them is done with it. */
interface Shared {
  settle(client: string): void
}

interface Entry {
  readonly id: number
  readonly bytes: number
  /** Kept when the packet is replaced by its release. */
  readonly original: QueuedPacket
  packet: QueuedPacket
  /** Where the message waits for others too. */
  readonly shared: Shared | null
}

/** What became of it has to be written down. */
export type Removed = Pick<Entry, 'id' | 'packet' | 'shared'>

export interface QueueLimits {
  readonly maxQueuedMessages: number
  readonly maxQueuedBytes: number
}

/** The messages of one persistent session that aren't acknowledged, oldest first, and at most so many: the oldest make room. */
export class SessionQueue {
  // Keyed by (broker, counter), by which aedes names a packet before it has a message id. Maps keep the order of insertion.
  readonly #entries = new Map<string, Entry>()
  readonly #limits: QueueLimits
  #bytes = 0

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#entries.size
  }

  /** Returns those that were dropped to make room. */
  add(id: number, packet: QueuedPacket, shared: Shared | null = null): Removed[] {
    const entry: Entry = { id, packet, original: packet, bytes: packet.payload.length + packet.topic.length, shared }
    this.#entries.set(keyOf(packet), entry)
    this.#bytes += entry.bytes
    const dropped: Removed[] = []
    for (const [key, oldest] of this.#entries) {
      const over = this.#entries.size > this.#limits.maxQueuedMessages || this.#bytes > this.#limits.maxQueuedBytes
      if (!over) break
      this.#remove(key, oldest)
      dropped.push(oldest)
    }
    return dropped
  }

  /** Notes the message id that a packet was sent with. False if it isn't queued (any more). */
  number(packet: { brokerId?: string; brokerCounter?: number }, messageId: number | undefined): boolean {
    const entry = this.#entries.get(keyOf(packet))
    if (!entry) return false
    entry.packet.messageId = messageId
    return true
  }

  /** Notes the message id that a packet is sent with for the first time. False if it was sent before, or isn't queued (any more). */
  begin(key: string, messageId: number): boolean {
    const packet = this.#entries.get(key)?.packet
    if (!packet || packet.messageId !== undefined) return false
    packet.messageId = messageId
    // Whenever it is sent again [MQTT-3.3.1-1].
    packet.dup = true
    return true
  }

  remove(key: string): void {
    const entry = this.#entries.get(key)
    if (entry) this.#remove(key, entry)
  }

  /** Puts the release of a QoS 2 message in the place of the message; what to store, or null if it isn't queued (any more). */
  release(client: string, release: QueuedPacket): StoredDelivery | null {
    for (const entry of this.#entries.values()) {
      if (entry.packet.messageId !== release.messageId) continue
      entry.packet = release
      return toDelivery(client, entry.id, entry.original, release.messageId ?? null)
    }
    return null
  }

  /** Removes what a message id acknowledges. Clients acknowledge in order, so the search ends at the first as a rule. */
  acknowledge(messageId: number | undefined): Removed | null {
    for (const [key, entry] of this.#entries) {
      if (entry.packet.messageId !== messageId) continue
      this.#remove(key, entry)
      return entry
    }
    return null
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }

  /** A copy, because the queue changes while it is sent. */
  packets(): QueuedPacket[] {
    return [...this.#entries.values()].map((entry) => entry.packet)
  }

  all(): Removed[] {
    return [...this.#entries.values()]
  }
}

const keyOf = (packet: { brokerId?: string; brokerCounter?: number }) => `${packet.brokerId} ${packet.brokerCounter}`

/** By which a message that waits for many is found in each queue. */
export const sharedKey = (id: number): string => keyOf({ brokerId: 'stored', brokerCounter: id })

export function toDelivery(
  client: string,
  id: number,
  packet: QueuedPacket,
  releasing: number | null = null,
): StoredDelivery {
  return { id, client, topic: packet.topic, payload: Buffer.from(packet.payload), qos: packet.qos, releasing }
}

/** The id stands in for aedes' counter of a former run; no broker has this name. */
export function fromDelivery(stored: StoredDelivery): QueuedPacket {
  return {
    cmd: stored.releasing === null ? 'publish' : 'pubrel',
    brokerId: 'stored',
    brokerCounter: stored.id,
    topic: stored.topic,
    payload: Buffer.from(stored.payload),
    qos: stored.qos,
    retain: false,
    dup: false,
    messageId: stored.releasing ?? undefined,
  }
}
