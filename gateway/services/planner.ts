import { instanceName } from '@hypha/core/wire/ids.ts'
import { type AppRoutes, appRoutes, type Publisher, routeMessage, type Target } from '../distribute/route.ts'
import type { Plan } from '../plan.ts'
import type { EventRecord } from '../store/records.ts'
import { tooLongFor } from './board-standing.ts'
import { changesOf } from './changes.ts'
import type { GatewayDeps } from './deps.ts'
import type { Feeds } from './feeds.ts'
import { patienceMs } from './handover.ts'
import { type Outcome, replan } from './replan.ts'
import type { Workshop } from './workshop.ts'

/** Nodes that report one after another within this time cause one replan. */
const debounceMs = 200

/** Where everything that changes where modules run goes through: one change after another, each a transaction in which nothing waits. */
export class Planner {
  readonly shop: Workshop
  readonly #deps: GatewayDeps
  readonly #feeds: Feeds
  #routes: ReadonlyMap<string, AppRoutes> = new Map()
  /** Instances on their nodes, of all apps, and those that rollouts bring. */
  #placed: ReadonlySet<string> = new Set()
  /** What each app was last placed as; empty before the first change since the start. */
  plans: ReadonlyMap<string, Plan> = new Map()
  /** Nodes on which plans have something that runs under a lease, or to which rollouts bring it: few of many. */
  leasing: ReadonlySet<string> = new Set()
  /** Called after each change. */
  onPlanned = (): void => undefined
  /** The end of the queue of changes that wait for something on the way. */
  #last: Promise<unknown> = Promise.resolve()
  /** Whether something has no place, and may have one when a node comes. */
  incomplete = false
  #cancelReplan: (() => void) | null = null
  /** Something is decided that plans must take in before anything else changes; and what does it soon. */
  #owed = false
  #cancelOwed = (): void => undefined
  #cancelHandovers = (): void => undefined

  constructor(deps: GatewayDeps, feeds: Feeds, shop: Workshop) {
    this.#deps = deps
    this.#feeds = feeds
    this.shop = shop
  }

  stop(): void {
    this.#cancelHandovers()
    this.#cancelOwed()
    this.#cancelSoon()
  }

  #cancelSoon(): void {
    this.#cancelReplan?.()
    this.#cancelReplan = null
  }

  /** Something that plans depend on has changed: places and directs anew, now. */
  replan(): void {
    const owed = this.#owed
    this.#owed = false
    try {
      this.change(() => replan(this.shop))
    } catch (error) {
      this.#owed = owed
      throw error
    }
  }

  /** As `replan`, after so many ms; before that where anything else changes. */
  replanIn(ms: number): void {
    this.#owed = true
    this.#cancelOwed()
    this.#cancelOwed = this.#deps.clock.after(Math.ceil(ms), () => {
      if (this.#owed) this.replanInBackground()
    })
  }

  /** As `replan`, a little later and once for many. */
  replanSoon(): void {
    this.#cancelReplan ??= this.#deps.clock.after(debounceMs, () => {
      this.#cancelReplan = null
      this.replanInBackground()
    })
  }

  /** The instances on other nodes that a message is for; null if its publisher may not publish it, or the app isn't known. */
  targets(app: string, from: Publisher, topic: string): Target[] | null {
    const routes = this.#routes.get(app)
    return routes === undefined ? null : routeMessage(routes, from, topic)
  }

  /** Whether today's plan has an instance on a node, or a rollout brings it there. */
  runs(node: string, instance: Omit<Target, 'node'>): boolean {
    return this.#placed.has(`${node}/${instanceName(instance)}`)
  }

  /** Pushes, rollbacks and removals one after another: the last one that was asked for is the one that counts. */
  inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(run)
    // Who asked hears of a failure; the next one doesn't care.
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** As `replan`; what fails is told, since nobody asked. */
  replanInBackground(): void {
    try {
      this.replan()
    } catch (error) {
      this.#deps.onFailure(error)
    }
  }

  /** A node that doesn't let go of an instance is waited for so long. [P 13.3] */
  #watchHandovers(): void {
    const { store, clock } = this.#deps
    this.#cancelHandovers()
    const since = store.handovers.waitingSince()
    if (since === null) return
    // Of those that are waited for longer, a lease says how long: its end plans anew.
    const leftMs = since + patienceMs - clock.now()
    this.#cancelHandovers = clock.after(leftMs > 0 ? leftMs : patienceMs, () => this.replanInBackground())
  }

  /** One transaction: what it decided goes out after it was committed. `told` are events that `run` stores besides. */
  change(run: () => Outcome, told: readonly EventRecord[] = []): Outcome {
    if (this.#owed) this.replan()
    const { store, outlet, clock } = this.#deps
    const { outcome, events } = store.transaction(() => {
      const outcome = run()
      const at = clock.now()
      const items = [...[...outcome.apps.values()].flatMap(changesOf), ...tooLong(outcome, store)]
      return { outcome, events: items.map((item) => store.events.add({ ...item, at })) }
    })
    // It has taken in whatever another one was waited for.
    this.#cancelSoon()
    this.plans = new Map([...outcome.apps].map(([app, { after }]) => [app, after]))
    this.#routes = new Map([...outcome.apps].map(([app, { after, routed }]) => [app, appRoutes(after, routed)]))
    const placed = new Set(
      [...outcome.apps].flatMap(([app, { after, coming }]) =>
        [...after.instances, ...coming].map(
          ({ node, module, home }) => `${node}/${instanceName({ app, module, home })}`,
        ),
      ),
    )
    for (const { node, ...instance } of outcome.speaking) placed.add(`${node}/${instanceName(instance)}`)
    this.#placed = placed
    const leased = [...outcome.apps.values()].flatMap(({ after, coming }) =>
      [...after.instances, ...coming].filter((each) => each.leased),
    )
    this.leasing = new Set(leased.map(({ node }) => node))
    this.#watchHandovers()
    this.incomplete = [...outcome.apps.values()].some(({ after }) => !after.complete)
    for (const made of outcome.directives) outlet.directive(made)
    if (outcome.inputsMoved.length > 0) outlet.inputsMoved(outcome.inputsMoved)
    // Whoever follows takes them by rising numbers.
    this.#feeds.events.publish([...told, ...events])
    this.onPlanned()
    return outcome
  }
}

/** Boards that will refuse what they are told. */
const tooLong = ({ directives }: Outcome, store: GatewayDeps['store']) =>
  directives.flatMap(({ directive: { node }, envelope }) => {
    const text = tooLongFor(store, node, envelope)
    return text === null ? [] : [{ node, app: null, module: null, home: null, code: 'directive-too-long', text }]
  })
