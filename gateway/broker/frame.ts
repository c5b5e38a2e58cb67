/** PUBLISH, in the first byte's upper half (MQTT 3.1.1, 2.2.1). */
const publishType = 0x30
const protocol5 = 5

/**
 * The bytes of one PUBLISH for as many clients as there are: without a packet id (QoS 0) they are the same for all, and with one (QoS 1) for all that get it under the same. Each form is
 * encoded when the first client needs it. Neither retained nor a duplicate: what goes to existing subscriptions never is [MQTT-3.3.1-9].
 */
export class PublishFrame {
  /** What it takes of a queue's room. */
  readonly size: number
  readonly #topic: Buffer
  readonly #payload: Uint8Array
  /** By QoS and protocol. */
  readonly #forms: (Buffer | undefined)[] = []
  /** By protocol. */
  readonly #forAll: ({ readonly messageId: number; readonly bytes: Buffer } | undefined)[] = []

  constructor(topic: string, payload: Uint8Array) {
    this.#topic = Buffer.from(topic, 'utf8')
    this.#payload = payload
    this.size = this.#topic.length + payload.length
  }

  /** `version` is the client's protocol level. The result is shared: it must not be written to. */
  plain(version: number): Buffer {
    return this.#form(0, version)
  }

  /** The same with a packet id that is the same for all: of two ids, the form of the last is kept. */
  numberedForAll(version: number, messageId: number): Buffer {
    const index = version === protocol5 ? 1 : 0
    const kept = this.#forAll[index]
    if (kept?.messageId === messageId) return kept.bytes
    const bytes = this.numbered(version, messageId)
    this.#forAll[index] = { messageId, bytes }
    return bytes
  }

  /** A copy of its own: over TLS that is cheaper than two writes, and no dearer than gathering header and payload (bench/fanout.ts). */
  numbered(version: number, messageId: number): Buffer {
    const template = this.#form(1, version)
    const bytes = Buffer.allocUnsafe(template.length)
    bytes.set(template)
    bytes.writeUInt16BE(messageId, this.#idOffset(version))
    return bytes
  }

  #form(qos: 0 | 1, version: number): Buffer {
    const index = qos * 2 + (version === protocol5 ? 1 : 0)
    this.#forms[index] ??= this.#encode(qos, version)
    return this.#forms[index]
  }

  #rest(qos: 0 | 1, version: number): number {
    return 2 + this.#topic.length + qos * 2 + (version === protocol5 ? 1 : 0) + this.#payload.length
  }

  #idOffset(version: number): number {
    return 1 + lengthBytes(this.#rest(1, version)) + 2 + this.#topic.length
  }

  #encode(qos: 0 | 1, version: number): Buffer {
    const rest = this.#rest(qos, version)
    const bytes = Buffer.alloc(1 + lengthBytes(rest) + rest)
    let at = bytes.writeUInt8(publishType | (qos << 1), 0)
    // Seven bits a byte, the lowest first (MQTT 3.1.1, 2.2.3).
    for (let left = rest; ; left >>>= 7) {
      at = bytes.writeUInt8(left > 127 ? (left & 127) | 128 : left, at)
      if (left <= 127) break
    }
    at = bytes.writeUInt16BE(this.#topic.length, at)
    at += this.#topic.copy(bytes, at)
    // The packet id's place stays zero, and so does the length of MQTT 5's properties: there are none.
    bytes.set(this.#payload, at + qos * 2 + (version === protocol5 ? 1 : 0))
    return bytes
  }
}

const lengthBytes = (rest: number): number => (rest < 128 ? 1 : rest < 16_384 ? 2 : rest < 2_097_152 ? 3 : 4)
