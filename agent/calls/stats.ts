import type { Clock } from '@hypha/core/ports/clock.ts'
import {
  type LinkCount,
  type LinkCounts,
  latencyBuckets,
  maxCountedLinks,
  maxFailureCodes,
} from '@hypha/core/wire/messages/link-counts.ts'
import { type CallOutcome, type End, endName, type OutgoingCall } from '../linked-calls.ts'

/** Links of this node that are counted; calls of further ones aren't. */
const maxLinks = 512

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
type Count = Mutable<Omit<LinkCount, 'failures' | 'latency'>> & {
  readonly failures: Map<string, number>
  readonly latency: number[]
}

/** What the calls of this node's instances over links add up to since the agent started. Direct calls within a cell are not among them. */
export class LinkStats {
  readonly #sinceMs: number
  readonly #links = new Map<string, Count>()
  #calls = 0

  constructor(clock: Pick<Clock, 'now'>) {
    this.#sinceMs = Math.max(0, Math.round(clock.now()))
  }

  /** Rises with each call. */
  get calls(): number {
    return this.#calls
  }

  note(
    { app, caller, interface: name, args }: OutgoingCall,
    { node, end }: { readonly node: string; readonly end: End },
    outcome: CallOutcome,
    ms: number,
  ): void {
    const key = `${app} ${endName(caller)} ${name} ${node} ${endName(end)}`
    let count = this.#links.get(key)
    if (count === undefined) {
      if (this.#links.size >= maxLinks) return
      const zeros = { calls: 0, bytesOut: 0, bytesIn: 0, failures: new Map<string, number>(), latency: [] }
      count = { app, caller, interface: name, node, callee: end, ...zeros }
      this.#links.set(key, count)
    }
    this.#calls++
    count.calls++
    count.bytesOut += args.length
    const bucket = bucketOf(ms)
    while (count.latency.length <= bucket) count.latency.push(0)
    count.latency[bucket]!++
    if (outcome.kind === 'ok') count.bytesIn += outcome.result.length
    else if (count.failures.has(outcome.code) || count.failures.size < maxFailureCodes) {
      count.failures.set(outcome.code, (count.failures.get(outcome.code) ?? 0) + 1)
    }
  }

  /** Of the links that were used most. */
  counts(): LinkCounts {
    const links = [...this.#links.values()].sort((a, b) => b.calls - a.calls).slice(0, maxCountedLinks)
    return {
      sinceMs: this.#sinceMs,
      links: links.map(({ failures, ...count }) => ({
        ...count,
        failures: [...failures].map(([code, number]) => ({ code: code.slice(0, 40), count: number })),
      })),
    }
  }
}

const bucketOf = (ms: number): number =>
  Math.min(latencyBuckets - 1, Math.floor(2 * Math.log2(Math.max(1, ms * 1_000))))
