import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { type AppRoutes, appRoutes, type Publisher, routeMessage, type Target } from '../distribute/route.ts'
import { createTransfers, type Transfers } from '../distribute/transfers.ts'
import { authorFaults, type Plan } from '../plan.ts'
import { type AcceptedRelease, accept } from '../push/accept.ts'
import { digestOf } from '../store/contents.ts'
import { changesOf } from './changes.ts'
import type { GatewayDeps } from './deps.ts'
import type { Feeds } from './feeds.ts'
import { notFound } from './not-found.ts'
import { Releases, type StoredRelease } from './releases.ts'
import { epochFloorKey, type Outcome, type Replanned, replan, tryPlace, type Workshop } from './replan.ts'
import { Secrets } from './secrets.ts'

/** Nodes that report one after another within this time cause one replan. */
const debounceMs = 200
/** How often the directives are looked through for ones to renew. */
const renewEveryMs = 3_600_000

/**
 * The gateway's sentence from accept to direct. Everything that changes where modules run goes through here: each change is one transaction in which nothing waits, and
 * what it decided goes out after it was committed.
 */
export class Pipeline {
  readonly releases: Releases
  readonly secrets: Secrets
  /** Directives have at least these versions: above those that nodes have proven to hold. */
  readonly provenVersions = new Map<string, number>()
  readonly #deps: GatewayDeps
  readonly #feeds: Feeds
  readonly #shop: Workshop
  readonly #transfers: Transfers
  #routes: ReadonlyMap<string, AppRoutes> = new Map()
  /** The end of the queue of changes that wait for something on the way. */
  #last: Promise<unknown> = Promise.resolve()
  /** Whether something has no place, and may have one when a node comes. */
  incomplete = false
  #cancelReplan: (() => void) | null = null
  #cancelRenewal: (() => void) | null = null

  constructor(deps: GatewayDeps, feeds: Feeds) {
    const { store, crypto, clock, signer, boxKeys } = deps
    this.#deps = deps
    this.#feeds = feeds
    this.releases = new Releases(store)
    this.secrets = new Secrets(boxKeys, crypto)
    this.#transfers = createTransfers(store.contents)
    const transfers = this.#transfers
    const { releases, secrets, provenVersions } = this
    this.#shop = { store, crypto, clock, signer, releases, transfers, secrets, provenVersions }
  }

  /** Sends every node its directive again, places and directs what is stored, and goes on renewing directives until `stop`. */
  start(): void {
    // The process may have died between a directive's commit and its way to the broker.
    for (const made of this.#deps.store.directives.list()) this.#deps.outlet.directive(made)
    const renew = () => {
      this.#inBackground()
      this.#cancelRenewal = this.#deps.clock.after(renewEveryMs, renew)
    }
    renew()
  }

  stop(): void {
    this.#cancelReplan?.()
    this.#cancelRenewal?.()
    this.#cancelReplan = null
    this.#cancelRenewal = null
  }

  /** Accepts a release and runs it. Throws what `accept` throws, `plan-impossible`, `bytes-too-long`; what throws has changed nothing. */
  push(envelope: Uint8Array, components: readonly Uint8Array[]): Promise<Replanned> {
    return this.#inTurn(async () => {
      const { store, clock } = this.#deps
      const accepted = this.#accept(envelope, components)
      const { release, contents } = accepted
      const { app, number, label } = release
      const digest = toHex(accepted.digest)
      refuseImpossible(tryPlace(this.#shop, { release, digest }))
      const keepTransfers = await this.#transfers.prepare(travelling(accepted))
      const outcome = this.#change(() => {
        const parts = [...contents.values()]
        store.apps.addRelease({ app, number, digest, label, createdAt: clock.now(), envelope, contents: parts })
        keepTransfers()
        return replan(this.#shop, this.releases.byDigest(digest)!)
      })
      return outcome.apps.get(app)!
    })
  }

  #accept(envelope: Uint8Array, components: readonly Uint8Array[]): AcceptedRelease {
    const { store, crypto, root } = this.#deps
    const known = (app: string) => {
      const [newest] = store.apps.releases(app)
      return { number: newest?.number ?? 0, digest: newest?.digest ?? null, floor: this.releases.floor(app) }
    }
    return accept(envelope, components, { fleet: store.fleet, role: root().release, crypto, known })
  }

  /** Runs a stored release again; without a number, the one that ran before the present one. Throws `not-found`, `release-below-floor`. */
  rollback(app: string, number: number | undefined): Promise<Replanned> {
    return this.#inTurn(async () => this.#rollback(app, number))
  }

  #rollback(app: string, number: number | undefined): Replanned {
    const target = this.#rollbackTarget(app, number)
    const floor = this.releases.floor(app)
    if (target.number < floor) {
      throw new HyphaError('release-below-floor', `Release ${target.number} of ${app} is below its floor ${floor}`)
    }
    return this.#change(() => replan(this.#shop, target)).apps.get(app)!
  }

  #rollbackTarget(app: string, number: number | undefined): StoredRelease {
    const { apps } = this.#deps.store
    const current = apps.latestPlan(app)
    if (current === null) throw notFound('app', app)
    if (number !== undefined) {
      const found = this.releases.byNumber(app, number)
      if (found === null) throw notFound('release', `${number} of ${app}`)
      return found
    }
    for (let epoch = current.epoch - 1; epoch > 0; epoch--) {
      const before = apps.plan(app, epoch)
      const found =
        before === null || before.release === current.release ? null : this.releases.byDigest(before.release)
      if (found !== null) return found
    }
    throw new HyphaError('not-found', `${app} has run no other release than the present one`, { where: app })
  }

  /** Where a release would run today. Nothing is changed, and nobody has to have signed it. */
  tryPlace(release: Release, payload: Uint8Array): Plan {
    return tryPlace(this.#shop, { release, digest: toHex(this.#deps.crypto.sha256(payload)) })
  }

  /** Removes a release that neither runs nor is the newest. Throws `not-found`, `release-in-use`. */
  removeRelease(app: string, number: number): Promise<void> {
    return this.#inTurn(async () => {
      const { apps } = this.#deps.store
      const found = apps.releases(app).find((release) => release.number === number)
      if (found === undefined) throw notFound('release', `${number} of ${app}`)
      const [newest] = apps.releases(app)
      if (newest?.number === number || apps.latestPlan(app)?.release === found.digest) {
        throw new HyphaError('release-in-use', `Release ${number} of ${app} runs, or is the newest`)
      }
      apps.removeRelease(app, number)
    })
  }

  /** Removes an app with all that the gateway and the nodes have of it. Throws `not-found`. */
  removeApp(app: string): Promise<void> {
    return this.#inTurn(() => this.#removeApp(app))
  }

  async #removeApp(app: string): Promise<void> {
    const { store, outlet } = this.#deps
    if (!store.apps.has(app)) throw notFound('app', app)
    const epoch = store.apps.latestPlan(app)?.epoch ?? 0
    store.meta.put(epochFloorKey, Math.max(epoch, Number(store.meta.get(epochFloorKey) ?? 0)))
    const removed = store.removeApp(app)
    this.#change(() => replan(this.#shop))
    outlet.appRemoved(app)
    await removed
  }

  /** Tells a node to leave; it is forgotten when it has, or at once where it never comes back. Throws `not-found`. */
  async removeNode(node: string, force: boolean): Promise<void> {
    const { store, clock } = this.#deps
    if (!store.nodes.setRemoved(node, clock.now())) throw notFound('node', node)
    this.#change(() => replan(this.#shop))
    if (force) await this.forgetNode(node)
  }

  /** Removes everything about a node that has left. */
  async forgetNode(node: string): Promise<void> {
    this.provenVersions.delete(node)
    // First the store: the broker keeps nothing more for who isn't in it.
    const removed = this.#deps.store.removeNode(node)
    this.#deps.outlet.nodeForgotten(node)
    await removed
  }

  /** Something that plans depend on has changed: places and directs anew, now. */
  replan(): void {
    this.#change(() => replan(this.#shop))
  }

  /** As `replan`, a little later and once for many. */
  replanSoon(): void {
    this.#cancelReplan ??= this.#deps.clock.after(debounceMs, () => {
      this.#cancelReplan = null
      this.#inBackground()
    })
  }

  /** The instances on other nodes that a message is for; null if its publisher may not publish it, or the app isn't known. */
  targets(app: string, from: Publisher, topic: string): Target[] | null {
    const routes = this.#routes.get(app)
    return routes === undefined ? null : routeMessage(routes, from, topic)
  }

  /** Pushes, rollbacks and removals one after another: the last one that was asked for is the one that counts. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(run)
    // Who asked hears of a failure; the next one doesn't care.
    this.#last = turn.catch(() => undefined)
    return turn
  }

  #inBackground(): void {
    try {
      this.replan()
    } catch (error) {
      this.#deps.onFailure(error)
    }
  }

  #change(run: () => Outcome): Outcome {
    const { store, outlet, clock } = this.#deps
    const { outcome, events } = store.transaction(() => {
      const outcome = run()
      const at = clock.now()
      const items = [...outcome.apps.values()].flatMap(changesOf)
      return { outcome, events: items.map((item) => store.events.add({ ...item, at })) }
    })
    this.#routes = new Map(
      [...outcome.apps].map(([app, { after, release }]) => [app, appRoutes(after, release.release)]),
    )
    this.incomplete = [...outcome.apps.values()].some(({ after }) => !after.complete)
    for (const made of outcome.directives) outlet.directive(made)
    if (outcome.inputsMoved.length > 0) outlet.inputsMoved(outcome.inputsMoved)
    this.#feeds.events.publish(events)
    return outcome
  }
}

/** What nodes are sent of a release, by digest: its envelope, and of each module the core form where it has one. */
function travelling({ release, envelope, contents }: AcceptedRelease): Map<string, Uint8Array> {
  const artifacts = release.modules.map(({ core, component }) => toHex((core ?? component).digest))
  return new Map([[digestOf(envelope), envelope], ...artifacts.map((name) => [name, contents.get(name)!] as const)])
}

/** What only the author can mend must not wait for a fleet that could hold it. */
function refuseImpossible(plan: Plan): void {
  const faults = plan.unplaced.flatMap(({ module, reasons }) =>
    reasons.filter(({ code }) => authorFaults.includes(code)).map(({ text }) => ({ module, text })),
  )
  const [first] = faults
  if (first === undefined) return
  const texts = [...new Set(faults.map(({ text }) => text))]
  throw new HyphaError('plan-impossible', `No fleet could hold ${plan.app}: ${texts.join('; ')}`, {
    where: first.module,
  })
}
