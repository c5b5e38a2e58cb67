import { asHyphaError } from '@hypha/core/errors.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import { vitals as vitalsMessage } from '@hypha/core/wire/messages/vitals.ts'
import type { Bar, Cause } from '../escalate/bar.ts'
import { type Action, barKey } from '../escalate/bar.ts'
import { decide, type Observed, type Placed } from '../escalate/decide.ts'
import { type Fault, faultOf } from '../escalate/faults.ts'
import { defaultPolicy, type EscalationPolicy } from '../escalate/policy.ts'
import { type NodeVitals, nextTrouble, noteVitals } from '../escalate/vitals.ts'
import type { EventRecord } from '../store/records.ts'
import type { GatewayDeps } from './deps.ts'
import { notFound } from './not-found.ts'
import type { Planner } from './planner.ts'
import { type Outcome, replan } from './replan.ts'
import { directs, type Rollout } from './rollout-record.ts'

/** Faults that come together make one decision. */
const debounceMs = 50
/** How often what has climbed, and nodes that run short, are looked at again. */
const reviewMs = 5_000
/** All of them are looked at: not more often, whatever is told. */
const leastMs = 1_000
/** Of one instance on one node and one cause; more decides nothing else. */
const keptFaults = 8
const maxKeys = 10_000
const maxNodes = 20_000

/** Instances in whose interest it is that their device's sensors and actuators are near. */
const deviceBound = /^hypha:host\/(sensor|actuator)@/

/** Carries out what is decided about instances that can't go on where they are: writes it down, and has the apps placed anew. */
export class Escalation {
  readonly #deps: GatewayDeps
  readonly #planner: Planner
  readonly #policy: EscalationPolicy
  /** By instance, node and cause, oldest first; in memory only: what goes on failing says so again. */
  readonly #faults = new Map<string, Fault[]>()
  readonly #vitals = new Map<string, NodeVitals>()
  #cancel: (() => void) | null = null
  #dueAt = Number.POSITIVE_INFINITY
  #reviewedAt = Number.NEGATIVE_INFINITY

  constructor(deps: GatewayDeps, planner: Planner, policy: EscalationPolicy = defaultPolicy) {
    this.#deps = deps
    this.#planner = planner
    this.#policy = policy
  }

  /** What was under way before the gateway was restarted is looked at again. */
  start(): void {
    this.#lookIn(reviewMs)
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = null
    this.#dueAt = Number.POSITIVE_INFINITY
  }

  /** To be told of events after they were stored. */
  hear(events: readonly EventRecord[]): void {
    const now = this.#deps.clock.now()
    const faults = events.flatMap((event) => faultOf(event) ?? [])
    for (const fault of faults) this.#note({ ...fault, at: Math.min(fault.at, now) })
    if (faults.length > 0) this.#lookIn(debounceMs)
  }

  #note(fault: Fault): void {
    const key = `${barKey(fault)} ${fault.cause}`
    const known = this.#faults.get(key)
    if (known === undefined && this.#faults.size >= maxKeys) return
    this.#faults.set(key, [...(known ?? []), fault].slice(-keptFaults))
  }

  /** Bytes of `up/vitals`. Throws `message-malformed`. */
  takeVitals(node: string, bytes: Uint8Array): void {
    const { battery, freeMemory, cpu } = vitalsMessage.decode(bytes)
    const before = this.#vitals.get(node) ?? null
    if (before === null && this.#vitals.size >= maxNodes) return
    const readings = {
      ...(battery && { battery }),
      ...(freeMemory && { 'free-memory': freeMemory }),
      ...(cpu && { cpu }),
    }
    const now = this.#deps.clock.now()
    const noted = noteVitals(before, readings, now)
    this.#vitals.set(node, noted)
    const due = nextTrouble(noted, now)
    if (Object.values(noted.of).some(({ badSince }) => badSince !== null)) {
      this.#lookIn(due === null ? debounceMs : Math.min(reviewMs, due - now))
    }
  }

  /** What a node said of itself last; null where it didn't. */
  vitalsOf(node: string): NodeVitals | null {
    return this.#vitals.get(node) ?? null
  }

  /** Another device has the node's name, or nobody. */
  forget(node: string): void {
    this.#vitals.delete(node)
    for (const [key, [first]] of this.#faults) if (first?.node === node) this.#faults.delete(key)
  }

  /** Lets an app's instances of a module come home at once, of one device or of all; answers from where. Throws `not-found` where none may not. */
  release(app: string, module: string, home: string | undefined): Bar[] {
    const bars = this.#bars().filter(
      (bar) =>
        bar.app === app && bar.module === module && bar.liftedAt === null && (home === undefined || bar.home === home),
    )
    if (bars.length === 0) throw notFound('escalation', `of ${module} in ${app}${home ? ` for ${home}` : ''}`)
    // Whoever says so has mended it: it begins with the first time again.
    this.#carryOut(bars.map((bar) => ({ kind: 'lift', bar: { ...bar, times: 0 }, why: 'an operator says so' })))
    return bars
  }

  #bars(): Bar[] {
    return this.#deps.store.escalations.list().map((row) => ({ ...row, cause: row.cause as Cause }))
  }

  #lookIn(ms: number): void {
    const now = this.#deps.clock.monotonic()
    const dueAt = Math.max(now + ms, this.#reviewedAt + leastMs)
    if (dueAt >= this.#dueAt) return
    this.#cancel?.()
    this.#dueAt = dueAt
    this.#cancel = this.#deps.clock.after(dueAt - now, () => {
      this.#dueAt = Number.POSITIVE_INFINITY
      this.#reviewedAt = this.#deps.clock.monotonic()
      try {
        this.#review()
      } catch (thrown) {
        this.#deps.onFailure(asHyphaError(thrown))
      }
    })
  }

  #review(): void {
    const { clock, store } = this.#deps
    const now = clock.now()
    this.#dropOldFaults(now)
    const bars = this.#bars()
    const waits = bars.some(({ liftedAt }) => liftedAt === null)
    const troubled = [...this.#vitals.values()].some(({ of }) =>
      Object.values(of).some((each) => each.badSince !== null),
    )
    if (!waits && !troubled && this.#faults.size === 0) return
    const actions = decide(this.#observed(now, bars), this.#policy)
    if (actions.length > 0) this.#carryOut(actions)
    store.escalations.prune(now - 2 * this.#policy.forgetMs)
    if (waits || troubled || actions.length > 0) this.#lookIn(reviewMs)
  }

  #dropOldFaults(now: number): void {
    const longest = Math.max(...Object.values(this.#policy.faults).map(({ withinMs }) => withinMs))
    for (const [key, faults] of this.#faults) if (now - faults.at(-1)!.at >= longest) this.#faults.delete(key)
  }

  #observed(now: number, bars: readonly Bar[]): Observed {
    const rollouts = this.#deps.store.rollouts.current() as Rollout[]
    const placed = [...this.#planner.plans].flatMap(([app, { instances, digest }]) =>
      instances.map(
        ({ module, home, node, memoryBytes, links }): Placed => ({
          app,
          module,
          home,
          node,
          memoryBytes,
          bound: home === node && links.some((link) => deviceBound.test(link.interface)),
          release: digest,
        }),
      ),
    )
    const judged = new Set(rollouts.filter(directs).map(({ app }) => app))
    return { now, faults: [...this.#faults.values()].flat(), vitals: this.#vitals, bars, placed, judged }
  }

  /** In one transaction with what follows from it: what may not be somewhere, and where it is then. */
  #carryOut(actions: readonly Action[]): void {
    const { store, clock } = this.#deps
    const now = clock.now()
    const events: EventRecord[] = []
    this.#planner.change(() => {
      for (const { kind, bar } of actions) store.escalations.put(kind === 'bar' ? bar : { ...bar, liftedAt: now })
      const outcome = replan(this.#planner.shop)
      for (const action of actions) events.push(store.events.add({ ...told(action, outcome), at: now }))
      return outcome
    }, events)
  }
}

function told(action: Action, { apps }: Outcome): Omit<EventRecord, 'id' | 'at'> {
  const { app, module, home, node, text } = action.bar
  const name = instanceName({ app, module, home })
  const item = { app, module, home, node }
  if (action.kind === 'lift')
    return { ...item, code: 'come-home', text: `${name} may be on ${node} again: ${action.why}` }
  const instance = apps.get(app)?.after.instances.find((each) => each.module === module && each.home === home)
  const where = instance?.despite === undefined ? `may not be on ${node} for now` : `stays on ${instance.node}`
  const why = instance?.despite ?? text
  return { ...item, code: 'escalated', text: `${name} ${where}: ${why}`.slice(0, 2_000) }
}
