import type { Clock } from '@hypha/core/ports/clock.ts'
import { type CallOutcome, type End, endName, type OutgoingCall } from '../linked-calls.ts'

/** Links of this node that are counted; calls of further ones aren't. */
const maxLinks = 256
/** Of one link. */
const maxCodes = 12

/** Two to an octave, from 1 µs on: the last ends at about three minutes. */
export const latencyBuckets = 56

export interface LinkCount {
  readonly app: string
  readonly caller: End
  readonly interface: string
  readonly node: string
  readonly callee: End
  calls: number
  /** By code. */
  readonly failures: Map<string, number>
  /** Of arguments and of results. */
  bytesOut: number
  bytesIn: number
  /** Calls by how long they took. */
  readonly latency: number[]
}

/** What the calls of this node's instances over links add up to, since the agent started. In a cell nothing is counted. */
export class LinkStats {
  readonly sinceMs: number
  readonly #links = new Map<string, LinkCount>()
  #changes = 0

  constructor(clock: Pick<Clock, 'now'>) {
    this.sinceMs = clock.now()
  }

  /** Rises with each call that is counted. */
  get changes(): number {
    return this.#changes
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
      const latency = new Array<number>(latencyBuckets).fill(0)
      count = {
        app,
        caller,
        interface: name,
        node,
        callee: end,
        calls: 0,
        failures: new Map(),
        bytesOut: 0,
        bytesIn: 0,
        latency,
      }
      this.#links.set(key, count)
    }
    this.#changes++
    count.calls++
    count.bytesOut += args.length
    count.latency[bucketOf(ms)]!++
    if (outcome.kind === 'ok') count.bytesIn += outcome.result.length
    else if (count.failures.has(outcome.code) || count.failures.size < maxCodes) {
      count.failures.set(outcome.code, (count.failures.get(outcome.code) ?? 0) + 1)
    }
  }

  /** The live counts: to be read, never changed. */
  links(): readonly LinkCount[] {
    return [...this.#links.values()]
  }
}

function bucketOf(ms: number): number {
  const bucket = Math.floor(2 * Math.log2(Math.max(1, ms * 1_000)))
  return Math.min(latencyBuckets - 1, bucket)
}
