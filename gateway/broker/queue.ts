import type { StoredDelivery } from '../store/ports/broker.ts'
import { KeyedList } from './keyed-list.ts'

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

/** A message that waits for many, in each of their queues. */
export interface Shared {
  readonly id: number
  /** By which it is found in each queue. */
  readonly key: string
  readonly bytes: number
  /** For one session's queue. */
  packet(): QueuedPacket
  /** It is in one of them no more. */
  settle(): void
}

interface Entry {
  readonly id: number
  /** In the queue. */
  readonly key: string
  readonly bytes: number
  /** Where the message waits for others too. */
  readonly shared: Shared | null
  /** That it was sent with, if it was. */
  messageId: number | undefined
  /** Kept when the packet is replaced by its release. Of a shared one there is none before somebody asks for it: as a rule nobody does. */
  original: QueuedPacket | null
  packet: QueuedPacket | null
}

/** What became of it has to be written down. */
export type Removed = Pick<Entry, 'id' | 'shared'>

export interface QueueLimits {
  readonly maxQueuedMessages: number
  readonly maxQueuedBytes: number
}

/** The messages of one persistent session that aren't acknowledged, oldest first, and at most so many: the oldest make room. */
export class SessionQueue {
  /** Keyed by (broker, counter), by which aedes names a packet before it has a message id. */
  readonly #entries = new KeyedList<Entry>()
  readonly client: string
  readonly #limits: QueueLimits
  #bytes = 0

  constructor(client: string, limits: QueueLimits) {
    this.client = client
    this.#limits = limits
  }

  get size(): number {
    return this.#entries.size
  }

  /** Returns those that were dropped to make room. */
  add(id: number, packet: QueuedPacket): readonly Removed[] {
    const bytes = packet.payload.length + packet.topic.length
    return this.#add({
      id,
      key: keyOf(packet),
      bytes,
      shared: null,
      messageId: packet.messageId,
      original: packet,
      packet,
    })
  }

  has(key: string): boolean {
    return this.#entries.get(key) !== undefined
  }

  /** The same for one that waits for others too. */
  addShared(shared: Shared): readonly Removed[] {
    const { id, key, bytes } = shared
    return this.#add({ id, key, bytes, shared, messageId: undefined, original: null, packet: null })
  }

  #add(entry: Entry): readonly Removed[] {
    this.#entries.set(entry)
    this.#bytes += entry.bytes
    const { maxQueuedMessages, maxQueuedBytes } = this.#limits
    const isOver = () => this.#entries.size > maxQueuedMessages || this.#bytes > maxQueuedBytes
    if (!isOver()) return nothing
    const dropped: Removed[] = []
    for (const oldest of this.#entries.values()) {
      if (!isOver()) break
      this.#remove(oldest)
      dropped.push(oldest)
    }
    return dropped
  }

  /** Notes the message id that a packet was sent with. False if it isn't queued (any more). */
  number(packet: { brokerId?: string; brokerCounter?: number }, messageId: number | undefined): boolean {
    const entry = this.#entries.get(keyOf(packet))
    if (!entry) return false
    entry.messageId = messageId
    packetOf(entry).messageId = messageId
    return true
  }

  /**
   * A shared packet is sent for the first time: notes and returns the message id, this one or `another` where it is in use. Null if the packet was sent before, or isn't queued (any more).
   */
  begin(key: string, messageId: number, another: () => number): number | null {
    const entry = this.#entries.get(key)
    if (!entry || entry.messageId !== undefined) return null
    const id = this.#entries.size > 1 && this.#sentWith(messageId) !== null ? another() : messageId
    entry.messageId = id
    if (entry.packet) Object.assign(entry.packet, sentWith(id))
    return id
  }

  remove(key: string): void {
    const entry = this.#entries.get(key)
    if (entry) this.#remove(entry)
  }

  /** Puts the release of a QoS 2 message in the place of the message; what to store, or null if it isn't queued (any more). */
  release(client: string, release: QueuedPacket): StoredDelivery | null {
    for (const entry of this.#entries.values()) {
      if (entry.messageId !== release.messageId) continue
      const original = entry.original ?? packetOf(entry)
      entry.packet = release
      return toDelivery(client, entry.id, original, release.messageId ?? null)
    }
    return null
  }

  /** Removes what a message id acknowledges, with its packet. */
  acknowledge(messageId: number | undefined): (Removed & { readonly packet: QueuedPacket }) | null {
    const entry = this.#sentWith(messageId)
    if (entry === null) return null
    this.#remove(entry)
    return { id: entry.id, shared: entry.shared, packet: packetOf(entry) }
  }

  /** Removes what a message id acknowledges if it waits for others too; any other stays. Whether it did. */
  acknowledgeShared(messageId: number): boolean {
    const entry = this.#sentWith(messageId)
    if (entry === null || entry.shared === null) return false
    this.#remove(entry)
    return true
  }

  /** Clients acknowledge in order, so the search ends at the first as a rule. */
  #sentWith(messageId: number | undefined): Entry | null {
    const { only } = this.#entries
    if (only !== null) return only.messageId === messageId ? only : null
    for (const entry of this.#entries.values()) if (entry.messageId === messageId) return entry
    return null
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.key)
    this.#bytes -= entry.bytes
    entry.shared?.settle()
  }

  /** A copy, because the queue changes while it is sent. */
  packets(): QueuedPacket[] {
    return [...this.#entries.values()].map(packetOf)
  }

  clear(): readonly Removed[] {
    const all = [...this.#entries.values()]
    for (const entry of all) this.#remove(entry)
    return all
  }
}

const nothing: readonly Removed[] = []

/** Whenever it is sent again, it is marked as such [MQTT-3.3.1-1]. */
const sentWith = (messageId: number) => ({ messageId, dup: true })

function packetOf(entry: Entry): QueuedPacket {
  if (entry.packet === null) {
    const { messageId } = entry
    entry.packet = Object.assign(entry.shared!.packet(), messageId === undefined ? {} : sentWith(messageId))
    entry.original = entry.packet
  }
  return entry.packet
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
