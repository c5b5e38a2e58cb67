import type { BrokerStore, BrokerWrite } from '../store/ports/broker.ts'

/**
 * Gathers the writes of one turn of the event loop into one transaction: a sync to disk costs as much for a thousand rows as for one.
 * Batches are written one after the other, in the order of their writes.
 */
export class GroupCommit {
  readonly #store: BrokerStore
  readonly #onError: (error: unknown) => void
  #batch: BrokerWrite[] = []
  /** Settles when the batch that gathers now is durable; null while nothing gathers. */
  #pending: Promise<void> | null = null
  #last: Promise<void> = Promise.resolve()

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

  #start(): Promise<void> {
    const previous = this.#last
    const commit = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => previous)
      .then(async () => {
        const batch = this.#batch
        this.#batch = []
        this.#pending = null
        await this.#store.write(batch)
      })
    this.#last = commit.catch(this.#onError)
    return commit
  }

  /** Resolves when everything added so far was written, or has failed. */
  async flush(): Promise<void> {
    await this.#last
  }
}
