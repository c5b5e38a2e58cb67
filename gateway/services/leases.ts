import { instanceName } from '@hypha/core/wire/ids.ts'
import { leaseAnswer, leaseAsk, maxLeaseMs } from '@hypha/core/wire/messages/lease.ts'
import { Buckets, type Rate } from '../broker/bucket.ts'
import { LeaseTable } from '../leases/table.ts'
import type { EventRecord } from '../store/records.ts'
import type { GatewayDeps } from './deps.ts'
import type { Feeds } from './feeds.ts'
import type { Planner } from './planner.ts'

/** A node asks three times in the time of a lease, and each second for what it waits for. */
const askRate: Rate = { perSecond: 4, burst: 32 }
/** After a start of the gateway nodes have so much longer to come back before they are given up. */
const startGraceMs = 10_000
/** What a node has for its leases that has not asked for any since the gateway started. */
const usualMs = 45_000
/** A node that was given up and is back must stay for so long before what could be there again is looked at: else one that comes and goes would take everything with it each time. */
const homeComingMs = 30_000

/** By instance: the lowest epoch of the sections that list it. */
type Told = ReadonlyMap<string, number>

/** Grants the leases under which nodes run what no other node may run at the same time, and notices those whose leases have run out. [P 12] */
export class Leases {
  readonly #deps: GatewayDeps
  readonly #planner: Planner
  readonly #feeds: Feeds
  readonly #onLost: (node: string) => void
  readonly #table: LeaseTable
  readonly #asks = new Buckets(askRate)
  readonly #told = new Map<string, { readonly version: number; readonly told: Told }>()
  /** Nodes that are away and have no lease any more. */
  readonly #lost = new Set<string>()
  readonly #settling = new Set<string>()
  /** What is to be done with a node later on: that it is given up, or that it has stayed. */
  readonly #later = new Map<string, () => void>()
  readonly #startedAt: number

  /** `onLost` is called before plans take it in. */
  constructor(deps: GatewayDeps, planner: Planner, feeds: Feeds, onLost: (node: string) => void) {
    this.#onLost = onLost
    this.#deps = deps
    this.#planner = planner
    this.#feeds = feeds
    const { store, clock } = deps
    this.#startedAt = clock.monotonic()
    this.#table = new LeaseTable(() => clock.monotonic(), store.leases.list(), startGraceMs)
  }

  /** Plans may have something new on a node that is away already, or that doesn't come back after the gateway's start: it is given up in its time. */
  review(): void {
    const { nodes } = this.#deps.store
    for (const node of this.#planner.leasing) {
      if (!this.#later.has(node) && nodes.get(node)?.presence?.online !== true) this.#giveUpLater(node)
    }
  }

  stop(): void {
    for (const cancel of this.#later.values()) cancel()
    this.#later.clear()
  }

  /** Whether a node is away and its leases have run out. */
  lost = (node: string): boolean => this.#lost.has(node)

  /** Whether it was that, and is back only now. */
  settles = (node: string): boolean => this.#settling.has(node)

  /** What an instance that doesn't run where the plan has it waits for, in a sentence without its full stop; null for nothing. */
  noteOf(
    instance: Parameters<typeof instanceName>[0],
    { node, online, status, leased }: { node: string; online: boolean; status: string; leased: boolean },
  ): string | null {
    if (!online && !leased) return `it waits for ${node}, which is away`
    if (!online && this.#lost.has(node))
      return `${node} is away and its lease has run out, and nothing else can hold it`
    const now = this.#deps.clock.monotonic()
    const seconds = (until: number) => Math.max(0, Math.ceil((until - now) / 1_000))
    if (!online) {
      const until = this.#table.runsOutAt(node) ?? this.#startedAt + startGraceMs + usualMs
      return `${node} is away: it is placed elsewhere once its lease has run out, in ${seconds(until)} s`
    }
    const holder = this.#table.holder(instanceName(instance))
    if (status !== 'waiting' || !leased || holder === null || holder.node === node || holder.until <= now) return null
    return `it begins on ${node} when ${holder.node} has let go of it, in ${seconds(holder.until)} s at the latest`
  }

  /** Bytes of `up/lease`: the answer, for `down/lease`; null for one that asks too often. Throws `message-malformed`. */
  ask(node: string, bytes: Uint8Array): Uint8Array | null {
    const { clock, store } = this.#deps
    const now = clock.monotonic()
    const { nonce, forMs, instances } = leaseAsk.decode(bytes)
    if (!this.#asks.of(node, now).take(1, now)) return null
    const told = this.#toldOf(node)
    const asked = instances.map((instance) => {
      const name = instanceName(instance)
      const epoch = told.get(name)
      // One that was taken from it and given back has another epoch, and comes with what it went on to elsewhere.
      return { name, may: epoch !== undefined && instance.epoch >= epoch }
    })
    const judged = this.#table.judge(node, asked, Math.min(forMs, maxLeaseMs))
    if (judged.taken.length + judged.freed.length > 0) {
      store.transaction(() => {
        for (const name of judged.freed) store.leases.drop(name, node)
        for (const name of judged.taken) store.leases.put(name, node, judged.forMs)
      })
    }
    this.#table.apply(judged)
    return leaseAnswer.encode({ nonce, forMs: judged.forMs, granted: judged.granted })
  }

  /** A node has come, or gone. */
  presence(node: string, online: boolean): void {
    if (!online) {
      this.#cancel(node)
      this.#settling.delete(node)
      this.#giveUpLater(node)
    } else if (this.#lost.delete(node)) {
      this.#tell(node, 'node-back', `${node} is back, after its lease had run out`)
      this.#settling.add(node)
      this.#in(node, homeComingMs, () => {
        this.#settling.delete(node)
        this.#planner.replanSoon()
      })
    } else if (!this.#settling.has(node)) this.#cancel(node)
  }

  /** A node has stopped all that it ran, and said so. */
  left(node: string): void {
    this.#table.apply(this.#table.judge(node, [], usualMs))
  }

  /** The node is no more, or is another. */
  forget(node: string): void {
    this.#cancel(node)
    this.#table.strand(node)
    this.#told.delete(node)
    this.#lost.delete(node)
    this.#settling.delete(node)
  }

  #giveUpLater(node: string): void {
    const runsOutAt = this.#table.runsOutAt(node)
    if (this.#lost.has(node) || (runsOutAt === null && !this.#planner.leasing.has(node))) return
    const at = runsOutAt ?? this.#startedAt + startGraceMs + usualMs
    this.#in(node, Math.max(0, at - this.#deps.clock.monotonic()), () => this.#giveUp(node))
  }

  #giveUp(node: string): void {
    const { store, clock } = this.#deps
    if (store.nodes.get(node)?.presence?.online !== false) return
    if ((this.#table.runsOutAt(node) ?? 0) > clock.monotonic()) {
      this.#giveUpLater(node)
      return
    }
    this.#lost.add(node)
    this.#tell(node, 'node-lost', `${node} is away and its lease has run out: what can run elsewhere is moved`)
    try {
      this.#onLost(node)
    } catch (error) {
      this.#deps.onFailure(error)
    }
    this.#planner.replanInBackground()
  }

  #in(node: string, ms: number, run: () => void): void {
    this.#cancel(node)
    const cancel = this.#deps.clock.after(ms, () => {
      this.#later.delete(node)
      run()
    })
    this.#later.set(node, cancel)
  }

  #cancel(node: string): void {
    this.#later.get(node)?.()
    this.#later.delete(node)
  }

  #toldOf(node: string): Told {
    const { store } = this.#deps
    const version = store.directives.version(node)
    const known = this.#told.get(node)
    if (known?.version === version) return known.told
    const told = new Map<string, number>()
    for (const { app, epoch, leased } of store.directives.get(node)?.directive.sections ?? []) {
      for (const { module, home } of leased ?? []) {
        const name = instanceName({ app, module, home })
        told.set(name, Math.min(epoch, told.get(name) ?? epoch))
      }
    }
    this.#told.set(node, { version, told })
    return told
  }

  #tell(node: string, code: string, text: string): void {
    const { store, clock, onFailure } = this.#deps
    try {
      const about: Omit<EventRecord, 'id'> = { at: clock.now(), node, app: null, module: null, home: null, code, text }
      this.#feeds.events.publish([store.events.add(about)])
    } catch (error) {
      onFailure(error)
    }
  }
}
