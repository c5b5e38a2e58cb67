import type { Clock } from '@hypha/core/ports/clock.ts'
import { type LinkCount, type LinkCounts, linkCounts } from '@hypha/core/wire/messages/link-counts.ts'
import type { LinkView } from '../admin/api/schemas/links.ts'

interface Heard {
  readonly at: number
  readonly counts: LinkCounts
}

/** One that was not heard of for so long is not live. */
const liveMs = 60_000
const maxNodes = 20_000

/** What nodes say of their links, as it came last and before; in memory only, for they say it again. */
export class LinkTraffic {
  readonly #clock: Pick<Clock, 'now'>
  readonly #nodes = new Map<string, { readonly last: Heard; readonly before: Heard | null }>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** Bytes of `up/links`. Throws `message-malformed`. */
  take(node: string, bytes: Uint8Array): void {
    const counts = linkCounts.decode(bytes)
    const last = this.#nodes.get(node)?.last ?? null
    if (last === null && this.#nodes.size >= maxNodes) return
    // Another start of the agent began to count anew.
    const before = last?.counts.sinceMs === counts.sinceMs ? last : null
    this.#nodes.set(node, { last: { at: this.#clock.now(), counts }, before })
  }

  forget(node: string): void {
    this.#nodes.delete(node)
  }

  /** The links that are in use, of all apps or of one. */
  list(app?: string): LinkView[] {
    const now = this.#clock.now()
    const views = [...this.#nodes].flatMap(([node, { last, before }]) =>
      now - last.at > liveMs
        ? []
        : last.counts.links.map((count) => viewOf(node, count, last, before)).filter((view) => view.calls > 0),
    )
    const order = (view: LinkView): string =>
      `${view.app} ${view.module} ${view.home ?? ''} ${view.interface} ${view.calleeHome ?? ''}`
    return views.filter((view) => app === undefined || view.app === app).sort((a, b) => (order(a) < order(b) ? -1 : 1))
  }
}

function viewOf(node: string, count: LinkCount, last: Heard, before: Heard | null): LinkView {
  const { app, caller, interface: name, callee, calls, bytesOut, bytesIn, failures } = count
  const earlier = before?.counts.links.find((each) => isSame(each, count)) ?? null
  const spanMs = before === null ? last.at - last.counts.sinceMs : last.at - before.at
  const recent = count.latency.map((value, bucket) => value - (earlier?.latency[bucket] ?? 0))
  return {
    app,
    module: caller.module,
    home: caller.home,
    node,
    interface: name,
    callee: callee.module,
    calleeHome: callee.home,
    calleeNode: count.node,
    calls,
    callsPerS: spanMs > 0 ? (1_000 * (calls - (earlier?.calls ?? 0))) / spanMs : 0,
    bytesOut,
    bytesIn,
    failures: Object.fromEntries(failures.map(({ code, count: number }) => [code, number])),
    p50Ms: percentile(recent, 0.5),
    p99Ms: percentile(recent, 0.99),
    at: last.at,
  }
}

const isSame = (a: LinkCount, b: LinkCount): boolean =>
  a.app === b.app &&
  a.interface === b.interface &&
  a.node === b.node &&
  a.caller.module === b.caller.module &&
  a.caller.home === b.caller.home &&
  a.callee.module === b.callee.module &&
  a.callee.home === b.callee.home

/** The middle of the bucket that it falls into; null where nothing was called. */
function percentile(buckets: readonly number[], share: number): number | null {
  const all = buckets.reduce((sum, count) => sum + count, 0)
  if (all <= 0) return null
  let seen = 0
  for (const [bucket, count] of buckets.entries()) {
    seen += count
    if (seen >= share * all) return Number((2 ** ((bucket + 0.5) / 2) / 1_000).toPrecision(3))
  }
  return null
}
