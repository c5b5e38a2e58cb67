import type { BrokerStore, BrokerWrite } from '../store/ports/broker.ts'

const maxPauseMs = 50

/**
 * Gathers writes into one transaction: a sync to disk costs as much for a thousand rows as for one, and nothing else happens meanwhile. On a quick disk a group is
 * what comes within one turn of the event loop; on a slow one, what comes within twice the time that the last one took, so that two thirds of the time are
 * left for everything else. Groups are written one after the other, in the order of their writes.
 */
export class GroupCommit {
  readonly #store: BrokerStore
  readonly #onError: (error: unknown) => void
  #batch: BrokerWrite[] = []
  /** Settles when the batch that gathers now is durable; null while nothing gathers. */
  #pending: Promise<void> | null = null
  #last: Promise<void> = Promise.resolve()
  /** By `performance.now()`: when the next group may be written. */
  #notBefore = 0

  /** `onError` hears of each batch that failed, once, also where nobody waits for it. */
  constructor(store: BrokerStore, onError: (error: unknown) => void) {
    this.#store = store
    this.#onError = onError
  }

  /** Resolves when the write is durable, and rejects when its batch failed. */
  add(write: BrokerWrite): Promise<void> {
    this.#batch.push(write)
    this.#pending ??= this.#start()
    return this.#pending
  }

  /** As `add`, for whom nothing waits: a failure reaches `onError` alone. */
  addBehind(write: BrokerWrite): void {
    this.add(write).catch(() => undefined)
  }

  #start(): Promise<void> {
    const previous = this.#last
    const commit = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => previous)
      .then(() => this.#pause())
      .then(() => this.#write())
    this.#last = commit.catch(this.#onError)
    return commit
  }

  #pause(): Promise<void> | undefined {
    const ms = this.#notBefore - performance.now()
    // A timer of less than a millisecond waits for a whole one.
    return ms < 1 ? undefined : new Promise((resolve) => setTimeout(resolve, ms))
  }

  async #write(): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    this.#pending = null
    const begun = performance.now()
    try {
      await this.#store.write(batch)
    } finally {
      const ended = performance.now()
      this.#notBefore = ended + Math.min(maxPauseMs, 2 * (ended - begun))
    }
  }

  /** Resolves when everything added so far was written, or has failed. */
  async flush(): Promise<void> {
    await this.#last
  }
}
