import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import { ack } from '@hypha/core/wire/messages/ack.ts'
import { type Presence, presence } from '@hypha/core/wire/messages/presence.ts'
import { report } from '@hypha/core/wire/messages/report.ts'
import { type NodeState, state } from '@hypha/core/wire/messages/state.ts'
import type { InputTarget } from '../store/inputs.ts'
import type { EventRecord, LogRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import { checkReport } from './columns.ts'
import { createComplaints } from './complaints.ts'
import { holdSinks } from './held-sinks.ts'
import { createKnown } from './known.ts'
import { emptyOutcome, type HandledInput, type NewMessage, type NewValue, type Outcome } from './outcome.ts'
import { createSeriesCache } from './series-cache.ts'
import { type QueuedReport, writeReport } from './write-report.ts'

export type { NewMessage, NewValue } from './outcome.ts'

interface IngestLimits {
  /** Entries in one transaction: about 30 ms, during which nothing else happens. */
  readonly groupEntries: number
  /** Reports that wait for a transaction; what comes beyond is dropped, and sent again by its node. */
  readonly maxQueuedEntries: number
  /** Series and journals in memory. */
  readonly maxCached: number
  readonly maxSeriesPerNode: number
  /** Journals of a node whose marks are kept: a wiped node begins a new one. */
  readonly maxJournals: number
}

const defaultLimits: IngestLimits = {
  groupEntries: 16_384,
  maxQueuedEntries: 500_000,
  maxCached: 200_000,
  maxSeriesPerNode: 50_000,
  maxJournals: 256,
}

/** What the rest of the gateway is told, always after it was committed. None of these may throw. */
export interface IngestSinks {
  /** To be published on `n/<node>/down/ack`. */
  ack(node: string, bytes: Uint8Array): void
  /** The newest value of each metric that has one, for `v/…`. */
  values(values: readonly NewValue[]): void
  /** What modules published, for `m/…`; inputs for instances that their nodes haven't served are queued already. */
  messages(messages: readonly NewMessage[]): void
  events(events: readonly EventRecord[]): void
  logs(logs: readonly LogRecord[]): void
  /** Inputs that are done with, and gone from the queue. */
  handled(inputs: readonly HandledInput[]): void
  /** Nodes for which inputs were queued. */
  queued(nodes: readonly string[]): void
  state(node: string, state: NodeState): void
  presence(node: string, online: boolean): void
  /** The node's word doesn't count (any more), and it is connected all the same: its connection is to end. `cloned` where that was found just now. */
  unwelcome(node: string, cloned: boolean): void
  /** The store refused a transaction: a full disk, for example. Nothing of it is acknowledged, and the nodes send it again. */
  failed(error: HyphaError): void
}

export interface IngestOptions {
  readonly store: Store
  readonly sinks: IngestSinks
  /**
   * Called inside the transaction for each message of a module: the instances whose inbox it is still for. Null if its release doesn't let it publish
   * there: the message is dropped, with an event.
   */
  readonly route: (message: NewMessage) => readonly InputTarget[] | null
  /**
   * Whether a node may speak for an instance of an app that is there: by default for those that a plan, of today or of before, put on it. What it says for others is
   * passed over, with an event; what is good in the same report is stored.
   */
  readonly mayReport?: (node: string, instance: { app: string; module: string; home: string | null }) => boolean
  /** Whether today's plan has an instance on a node: who had it once may still bring what he counted then, but speaks in its name no more. */
  readonly runsNow: (node: string, instance: { app: string; module: string; home: string | null }) => boolean
  /** ms since 1970. */
  readonly now?: () => number
  readonly limits?: Partial<IngestLimits>
}

/**
 * Takes in what nodes report, each entry exactly once: (node, incarnation, number) is stored together with the journal's mark. Reports that come together
 * share a transaction, and are acknowledged after it. Bytes that can't be understood become an event, never an exception. [P 8.4]
 */
export function createIngest(options: IngestOptions) {
  const held = holdSinks(options.sinks)
  const { sinks } = held
  const { store, route, runsNow, now = Date.now } = options
  const limits = { ...defaultLimits, ...options.limits }
  const cache = createSeriesCache(store, limits)
  const complaints = createComplaints()
  const known = createKnown(store)
  const mayReport = options.mayReport ?? known.assigned
  const fresh = new Set<string>()
  let queue: QueuedReport[] = []
  let queuedEntries = 0
  let scheduled: NodeJS.Immediate | null = null
  const counts = { reports: 0, samples: 0, transactions: 0, dropped: 0 }

  const schedule = () => {
    scheduled ??= setImmediate(() => {
      scheduled = null
      flushGroup()
      if (queue.length > 0 || !complaints.empty) schedule()
    })
  }

  const complain = (node: string, error: HyphaError) => {
    complaints.add({ node, code: error.code, text: error.message.slice(0, 2_000), at: now() })
    schedule()
  }

  /** As many reports as make a group. */
  function takeGroup(): QueuedReport[] {
    let [count, entries] = [0, 0]
    while (count < queue.length && entries < limits.groupEntries) {
      entries += queue[count++]!.report.count
    }
    const group = queue.slice(0, count)
    queue = queue.slice(count)
    queuedEntries -= entries
    return group
  }

  function flushGroup(): void {
    cache.refresh()
    known.refresh()
    const group = takeGroup()
    const outcome = emptyOutcome()
    const context = {
      store,
      cache,
      known,
      complaints,
      route,
      mayReport,
      runsNow,
      maxJournals: limits.maxJournals,
      now: now(),
    }
    try {
      store.transaction(() => {
        for (const queued of group) writeReport(queued, context, outcome)
        for (const { node, code, text, at } of complaints.take()) {
          if (!known.node(node)) continue
          outcome.events.push(store.events.add({ at, node, app: null, module: null, home: null, code, text }))
        }
      })
    } catch (thrown) {
      // What is in memory may speak of rows that were rolled back.
      cache.clear()
      counts.dropped += group.length
      sinks.failed(asHyphaError(thrown))
      return
    }
    counts.transactions++
    counts.samples += outcome.samples
    tell(outcome)
  }

  function tell(outcome: Outcome): void {
    for (const { node, incarnation, mark, ended } of outcome.acknowledge) {
      if (mark !== null) sinks.ack(node, ack.encode({ incarnation, upTo: mark, anew: ended || null }))
    }
    if (outcome.values.size > 0) sinks.values([...outcome.values.values()])
    if (outcome.messages.length > 0) sinks.messages(outcome.messages)
    if (outcome.events.length > 0) sinks.events(outcome.events)
    if (outcome.logs.length > 0) sinks.logs(outcome.logs)
    if (outcome.handled.length > 0) sinks.handled(outcome.handled)
    if (outcome.queuedFor.size > 0) sinks.queued([...outcome.queuedFor])
  }

  /** Null, with a complaint, for bytes that can't be understood. */
  function understood<T>(node: string, read: () => T): T | null {
    try {
      return read()
    } catch (thrown) {
      complain(node, asHyphaError(thrown))
      return null
    }
  }

  /** Whether what a node says counts; else it is to go. */
  function welcome(node: string): boolean {
    known.refresh()
    // Of one that isn't there nothing is stored anyway, and it may be on its way out.
    if (known.accepts(node) || !known.node(node)) return true
    sinks.unwelcome(node, false)
    return false
  }

  /** The run that a connection says to be of with its will; null for one that says nothing that can be understood. */
  function runOf(will: Uint8Array | null): Uint8Array | null {
    if (will === null) return null
    try {
      return presence.decode(will).run
    } catch {
      // No agent leaves such a will: whoever did is none.
      return null
    }
  }

  /** Whether a connection is of a run that was never seen, or hides it. Of a node without a run there is nothing to tell it from. */
  function isStrange(node: string, will: Uint8Array | null): boolean {
    const run = runOf(will)
    return run === null ? store.runs.any(node) : store.runs.look(node, run) === 'never'
  }

  /** A run that was never seen is the last one now. */
  const follow = (node: string, run: Uint8Array) =>
    store.transaction(() => {
      store.runs.add(node, run)
      store.nodes.forgetConnection(node)
    })

  /** Whether a presence is of the agent's last run. One of a run that was followed by another proves a second machine: a machine's runs don't come back. */
  function isOfNow(node: string, { run, online }: Presence): boolean {
    if (!known.node(node)) return true
    if (run === null) {
      // An older agent, or who hides its run: either way it followed the ones that are known.
      if (online && store.runs.any(node)) store.runs.add(node, crypto.getRandomValues(new Uint8Array(8)))
      return true
    }
    const seen = store.runs.look(node, run)
    // A will, or a goodbye, may come late.
    if (!online) return seen === 'last'
    if (seen === 'followed') {
      quarantine(node)
      return false
    }
    if (seen === 'never') follow(node, run)
    return true
  }

  function quarantine(node: string): void {
    const at = now()
    const text = `Two machines have the keys of ${node}: neither is let in. hypha invite ${node} --replace, then hypha-agent join URL --again on the genuine one.`
    const event = store.transaction(() => {
      if (!store.nodes.setCloned(node, at)) return null
      return store.events.add({ at, node, app: null, module: null, home: null, code: 'cloned-identity', text })
    })
    store.series.generation++
    if (event === null) return
    sinks.events([event])
    sinks.unwelcome(node, true)
  }

  /** A journal that reaches less far than what is stored of it was set back: what it numbers anew would be passed over. [P 8.8] */
  function checkJournal(node: string, { incarnation, upTo }: NonNullable<Presence['journal']>): void {
    const mark = store.marks.get(node, incarnation)
    if (mark === null || mark <= upTo) return
    const at = now()
    const text = `The node's journal ends at number ${upTo}, and ${mark} of it are stored: its disk was set back, or is a copy. It begins a new journal; what it didn't send before that is missing.`
    const event = store.transaction(() => {
      if (!store.marks.end(node, incarnation, at)) return null
      return store.events.add({ at, node, app: null, module: null, home: null, code: 'journal-set-back', text })
    })
    if (event !== null) {
      sinks.events([event])
      cache.clear()
    }
    sinks.ack(node, ack.encode({ incarnation, upTo: mark, anew: true }))
  }

  return {
    /** A report from a node; acknowledged through `sinks.ack` when it is stored. `bytes` are not kept. */
    onReport(node: string, bytes: Uint8Array): void {
      const isFresh = fresh.delete(node)
      if (!welcome(node)) return
      if (queuedEntries >= limits.maxQueuedEntries) {
        counts.dropped++
        return
      }
      const queued = understood(node, (): QueuedReport => {
        const decoded = report.decode(bytes)
        return { node, report: decoded, columns: checkReport(decoded), fresh: isFresh }
      })
      if (!queued) return
      counts.reports++
      queue.push(queued)
      queuedEntries += queued.report.count
      schedule()
    },
    /** What a node is and what runs on it. */
    onState(node: string, bytes: Uint8Array): void {
      if (!welcome(node)) return
      const decoded = understood(node, () => state.decode(bytes))
      if (decoded && store.nodes.setState(node, bytes, decoded.inventory, now())) sinks.state(node, decoded)
    },
    /**
     * A connection of a node has begun to read or to speak, and left `will` at its CONNECT. Whatever run it is of, or if it names none, it has followed the one of before: if that comes back,
     * there are two machines with the same keys, also where this one never says that it is there. [P 4.1]
     */
    onConnection(node: string, will: Uint8Array | null): void {
      known.refresh()
      if (!known.accepts(node) || !isStrange(node, will)) return
      follow(node, runOf(will) ?? crypto.getRandomValues(new Uint8Array(8)))
    },
    isStrange,
    /** A connection of a node was ended because it did not say first that it is there. */
    onUnannounced(node: string, how: 'spoke' | 'listened'): void {
      const did =
        how === 'spoke' ? 'spoke for it before it said that it is there' : 'listened, and did not say that it is there'
      const text = `A connection with the keys of ${node} ${did}, as its agent does first: it was ended, and nothing was taken from it. If it was none of yours, somebody has copied the keys: hypha invite ${node} --replace.`
      complaints.add({ node, code: 'presence-missing', text, at: now() })
      schedule()
    },
    /** A node's word that it is there, or its will. */
    onPresence(node: string, bytes: Uint8Array): void {
      const decoded = understood(node, () => presence.decode(bytes))
      if (!decoded || !welcome(node) || !isOfNow(node, decoded)) return
      if (!store.nodes.setPresence(node, decoded, now())) return
      if (decoded.online && decoded.journal) checkJournal(node, decoded.journal)
      if (decoded.online) fresh.add(node)
      else fresh.delete(node)
      sinks.presence(node, decoded.online)
    },
    /** Has all that `run` takes in written in one transaction, and told after it: a fleet that comes back says thousands of small things. Throws what the store throws; then nothing is told. */
    together(run: () => void): void {
      held.hold()
      try {
        store.transaction(run)
      } catch (thrown) {
        held.drop()
        throw thrown
      }
      held.release()
    },
    /** Stores all that is queued, now; for a gateway that ends. */
    flush(): void {
      while (queue.length > 0 || !complaints.empty) flushGroup()
      if (scheduled) clearImmediate(scheduled)
      scheduled = null
    },
    /** Since the start. */
    get stats(): Readonly<typeof counts> {
      return { ...counts }
    },
  }
}

export type Ingest = ReturnType<typeof createIngest>
