export interface IncomingPacket {
  messageId?: number
  payload?: Buffer | string
  length?: number
}

export interface IncomingLimits {
  /** QoS 2 messages of one client that it hasn't released, over all its connections. */
  readonly maxIncoming: number
  readonly maxQueuedBytes: number
}

/**
 * QoS 2 messages received and not released yet, by client and message id. Not stored: after a restart in the middle of such a handshake a
 * message may come twice. Hypha's own messages are QoS 1 and carry their own numbers.
 */
export class IncomingPackets {
  readonly #limits: IncomingLimits
  readonly #packets = new Map<string, Map<number, IncomingPacket>>()

  constructor(limits: IncomingLimits) {
    this.#limits = limits
  }

  /** Throws where the client has too many. */
  add(client: string, packet: IncomingPacket): void {
    let packets = this.#packets.get(client)
    if (!packets) {
      packets = new Map()
      this.#packets.set(client, packets)
    }
    const isNew = !packets.has(packet.messageId!)
    const bytes = (packet.payload?.length ?? 0) + (isNew ? sum(packets.values()) : 0)
    if (isNew && (packets.size >= this.#limits.maxIncoming || bytes > this.#limits.maxQueuedBytes)) {
      throw new Error('too many QoS 2 messages await their release')
    }
    const { length: _, ...kept } = packet
    packets.set(packet.messageId!, kept)
  }

  /** Throws where there is none of this id. */
  get(client: string, { messageId }: Pick<IncomingPacket, 'messageId'>): IncomingPacket {
    const stored = this.#packets.get(client)?.get(messageId!)
    if (!stored) throw new Error('no such packet')
    return stored
  }

  has(client: string, messageId: number | undefined): boolean {
    return messageId !== undefined && this.#packets.get(client)?.has(messageId) === true
  }

  /** Throws where there is none of this id. */
  release(client: string, { messageId }: Pick<IncomingPacket, 'messageId'>): void {
    if (!this.#packets.get(client)?.delete(messageId!)) throw new Error('no such packet')
  }

  clear(client: string): void {
    this.#packets.delete(client)
  }
}

const sum = (packets: Iterable<IncomingPacket>): number => {
  let bytes = 0
  for (const { payload } of packets) bytes += payload?.length ?? 0
  return bytes
}
