/** More than this wait for a follower who doesn't read: the oldest are dropped. */
const maxWaiting = 10_000

/** Hands what happens to whoever follows it. */
export class Hub<T> {
  readonly #followers = new Set<(items: readonly T[]) => void>()

  publish(items: readonly T[]): void {
    for (const take of this.#followers) take(items)
  }

  /** Items from now on that match, until `signal` is aborted. Nothing is missed between this call and the first `next`. */
  follow(matches: (item: T) => boolean, signal: AbortSignal): AsyncIterable<T> {
    let waiting: T[] = []
    let wake: () => void = () => undefined
    const take = (items: readonly T[]) => {
      for (const item of items) if (matches(item)) waiting.push(item)
      if (waiting.length > maxWaiting) waiting = waiting.slice(-maxWaiting)
      if (waiting.length > 0) wake()
    }
    const end = () => {
      this.#followers.delete(take)
      wake()
    }
    this.#followers.add(take)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    return drain()

    async function* drain(): AsyncGenerator<T> {
      try {
        while (!signal.aborted) {
          const batch = waiting
          waiting = []
          yield* batch
          if (waiting.length > 0 || signal.aborted) continue
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      } finally {
        end()
      }
    }
  }

  get followers(): number {
    return this.#followers.size
  }
}
