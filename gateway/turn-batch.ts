interface Waiting<T> {
  readonly item: T
  readonly handled: () => void
}

interface TurnBatch<T> {
  /** Resolves when the item was handled, or one that came after it in its place. */
  add(item: T): Promise<void>
  /** Handles what waits, now. */
  flush(): void
}

const maxPauseMs = 50

/**
 * Gathers what comes within a turn of the event loop, or within twice the time that handling took last, and has it handled together, at most `maxItems` in a turn: a thousand
 * small writes cost one sync to disk, and two thirds of the time are left for everything else. Of several
 * items with the same key the last one counts; those whose key is null all count. `handle` must not throw.
 */
export function createTurnBatch<T>(
  keyOf: (item: T) => string | null,
  handle: (items: readonly T[]) => void,
  maxItems = 256,
): TurnBatch<T> {
  let waiting: (Waiting<T> | null)[] = []
  const latest = new Map<string, number>()
  let scheduled = false
  /** By `performance.now()`: when the next ones may be handled. */
  let notBefore = 0

  const schedule = () => {
    if (scheduled) return
    scheduled = true
    const run = () => {
      scheduled = false
      flush(maxItems)
    }
    const ms = notBefore - performance.now()
    // A timer of less than a millisecond waits for a whole one.
    if (ms < 1) setImmediate(run)
    else setTimeout(run, ms)
  }

  function flush(count: number): void {
    if (waiting.length === 0) return
    const taken = waiting.slice(0, count).filter((entry) => entry !== null)
    waiting = waiting.slice(count)
    latest.clear()
    for (const [index, entry] of waiting.entries()) {
      const key = entry && keyOf(entry.item)
      if (key !== null) latest.set(key, index)
    }
    const begun = performance.now()
    handle(taken.map(({ item }) => item))
    const ended = performance.now()
    notBefore = ended + Math.min(maxPauseMs, 2 * (ended - begun))
    for (const { handled } of taken) handled()
    if (waiting.length > 0) schedule()
  }

  return {
    add: (item) =>
      new Promise((resolve) => {
        const key = keyOf(item)
        const before = key === null ? undefined : latest.get(key)
        let handled = resolve as () => void
        if (before !== undefined) {
          const replaced = waiting[before]!
          waiting[before] = null
          handled = () => {
            replaced.handled()
            resolve()
          }
        }
        if (key !== null) latest.set(key, waiting.length)
        waiting.push({ item, handled })
        schedule()
      }),
    flush: () => flush(waiting.length),
  }
}
