interface Entry {
  readonly client: string
  readonly bytes: number
}

interface RetainedLimits {
  readonly maxRetainedPerClient: number
  readonly maxRetainedBytesPerClient: number
}

/**
 * What each foreign client has had retained since the gateway's start. A topic counts for who wrote it last. Nodes aren't counted: each has two topics.
 */
export class RetainedUsage {
  readonly #limits: RetainedLimits
  readonly #isRetained: (topic: string) => boolean
  readonly #entries = new Map<string, Entry>()
  readonly #used = new Map<string, { count: number; bytes: number }>()

  /** The gateway clears topics without a word to this: `isRetained` says what is there. */
  constructor(limits: RetainedLimits, isRetained: (topic: string) => boolean) {
    this.#limits = limits
    this.#isRetained = isRetained
  }

  /** Enters a message that is about to be retained; an empty one clears its topic. Returns why it may not be, or null. */
  note(client: string, topic: string, payloadBytes: number): string | null {
    if (payloadBytes === 0) {
      this.#remove(topic)
      return null
    }
    const bytes = payloadBytes + topic.length
    const refusal = this.#refusal(client, topic, bytes)
    if (refusal === null) this.#put(topic, { client, bytes })
    return refusal
  }

  #refusal(client: string, topic: string, bytes: number): string | null {
    if (this.#fits(client, topic, bytes)) return null
    for (const known of [...this.#entries.keys()]) if (!this.#isRetained(known)) this.#remove(known)
    if (this.#fits(client, topic, bytes)) return null
    const { maxRetainedPerClient, maxRetainedBytesPerClient } = this.#limits
    return `it may have ${maxRetainedPerClient} retained messages of ${maxRetainedBytesPerClient} bytes together`
  }

  #fits(client: string, topic: string, bytes: number): boolean {
    const used = this.#used.get(client) ?? { count: 0, bytes: 0 }
    const before = this.#entries.get(topic)
    const own = before?.client === client ? before : null
    return (
      used.count + (own ? 0 : 1) <= this.#limits.maxRetainedPerClient &&
      used.bytes + bytes - (own?.bytes ?? 0) <= this.#limits.maxRetainedBytesPerClient
    )
  }

  #put(topic: string, entry: Entry): void {
    this.#remove(topic)
    this.#entries.set(topic, entry)
    const used = this.#used.get(entry.client) ?? { count: 0, bytes: 0 }
    this.#used.set(entry.client, { count: used.count + 1, bytes: used.bytes + entry.bytes })
  }

  #remove(topic: string): void {
    const entry = this.#entries.get(topic)
    if (!entry) return
    this.#entries.delete(topic)
    const { count, bytes } = this.#used.get(entry.client)!
    if (count === 1) this.#used.delete(entry.client)
    else this.#used.set(entry.client, { count: count - 1, bytes: bytes - entry.bytes })
  }
}
