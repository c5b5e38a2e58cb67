import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Directive } from '@hypha/core/trust/directive.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { createTransfers } from '../distribute/transfers.ts'
import type { Plan } from '../plan.ts'
import type { GatewayDeps } from './deps.ts'
import { Escalation } from './escalation.ts'
import type { Feeds } from './feeds.ts'
import { PatchRefusals } from './holdings.ts'
import { Leases } from './leases.ts'
import { forgetTraffic } from './measured.ts'
import { notFound } from './not-found.ts'
import { PendingOptions } from './pending-options.ts'
import { tryPlace } from './place-apps.ts'
import { Planner } from './planner.ts'
import { type Learned, learn } from './proof.ts'
import { Pushes } from './pushes.ts'
import { Releases } from './releases.ts'
import { replan } from './replan.ts'
import { takeBackFrom } from './rollout-again.ts'
import type { Rollout } from './rollout-record.ts'
import { Rollouts } from './rollouts.ts'
import { Secrets } from './secrets.ts'
import { epochFloorKey, type Workshop } from './workshop.ts'

/** How often the directives are looked through for ones to renew. */
const renewEveryMs = 3_600_000

/** The gateway's sentence from accept to direct: what is pushed, what nodes prove, and who and what goes. */
export class Pipeline {
  readonly releases: Releases
  readonly secrets: Secrets
  readonly pushes: Pushes
  readonly refusals = new PatchRefusals()
  readonly #deps: GatewayDeps
  readonly #feeds: Feeds
  readonly #shop: Workshop
  readonly planner: Planner
  readonly rollouts: Rollouts
  readonly leases: Leases
  readonly escalation: Escalation
  #cancelRenewal: (() => void) | null = null

  constructor(deps: GatewayDeps, feeds: Feeds) {
    const { store, crypto, clock, signer, root, boxKeys } = deps
    this.#deps = deps
    this.#feeds = feeds
    this.releases = new Releases(store)
    this.secrets = new Secrets(boxKeys, crypto)
    const transfers = createTransfers(store.contents, deps.patchMaker)
    const { releases, secrets, refusals } = this
    const lost = (node: string) => this.leases.lost(node)
    const settles = (node: string) => this.leases.settles(node)
    this.#shop = { store, crypto, clock, signer, root, releases, transfers, refusals, secrets, lost, settles }
    this.planner = new Planner(deps, feeds, this.#shop)
    this.leases = new Leases(deps, this.planner, feeds, (node) => {
      takeBackFrom(node, deps, this.planner)
      // It looks at what it has of the node.
      this.rollouts.presence(node, false)
    })
    this.planner.onPlanned = () => this.leases.review()
    this.rollouts = new Rollouts(deps, this.planner, feeds)
    this.escalation = new Escalation(deps, this.planner, deps.escalation)
    this.pushes = new Pushes(deps, this.planner, this.rollouts)
  }

  /** Sends every node its directive again, places and directs what is stored, and goes on renewing directives until `stop`. */
  start(): void {
    this.#sendAgain()
    const renew = () => {
      this.planner.replanInBackground()
      this.#cancelRenewal = this.#deps.clock.after(renewEveryMs, renew)
    }
    renew()
    this.rollouts.start()
    this.escalation.start()
  }

  /**
   * Root metadata has changed. What the gateway's key of before has signed is signed anew, and every node is sent its directive again: it may have forgotten what it held
   * (`forgetReplaced` in `src/trust/rules.ts`).
   */
  rootChanged(): void {
    this.planner.replanInBackground()
    this.#sendAgain()
  }

  /** The process may have died between a directive's commit and its way to the broker. */
  #sendAgain(): void {
    for (const made of this.#deps.store.directives.list()) this.#deps.outlet.directive(made)
  }

  stop(): void {
    this.leases.stop()
    this.rollouts.stop()
    this.escalation.stop()
    this.planner.stop()
    this.#cancelRenewal?.()
    this.#cancelRenewal = null
  }

  /** Where a release would run today. Nothing is changed, and nobody has to have signed it. */
  tryPlace(release: Release, payload: Uint8Array): Plan {
    return tryPlace(this.#shop, { release, digest: toHex(this.#deps.crypto.sha256(payload)) })
  }

  /** Removes a release that waits for signatures, or that neither runs, nor is in a rollout, nor is the newest. Throws `not-found`, `release-in-use`. */
  removeRelease(app: string, number: number): Promise<void> {
    return this.planner.inTurn(async () => {
      const { store } = this.#deps
      const { apps } = store
      const found = apps.release(app, number)
      if (found === null) throw notFound('release', `${number} of ${app}`)
      const [newest] = apps.releases(app)
      const rolledOut = store.rollouts.currentOf(app) as Rollout | null
      if ([rolledOut?.value.release, rolledOut?.value.from?.release].includes(found.digest)) {
        const text = `Release ${number} of ${app} is in a rollout that hasn't ended, which may go back to it`
        throw new HyphaError('release-in-use', text, { mend: `Wait for its end: hypha rollout ${app} --wait.` })
      }
      if (newest?.number === number || apps.latestPlan(app)?.release === found.digest) {
        throw new HyphaError('release-in-use', `Release ${number} of ${app} runs, or is the newest`)
      }
      apps.removeRelease(app, number)
      // Nothing is left of an app whose only release never ran.
      if (apps.allReleases(app).length === 0) await this.#removeApp(app)
    })
  }

  /** Removes an app with all that the gateway and the nodes have of it. Throws `not-found`. */
  removeApp(app: string): Promise<void> {
    return this.planner.inTurn(() => this.#removeApp(app))
  }

  async #removeApp(app: string): Promise<void> {
    const { store, outlet } = this.#deps
    // One that only nodes know is removed as any other.
    const carried = store.epochs.carried().some((each) => each.app === app)
    if (!store.apps.has(app) && !carried) throw notFound('app', app)
    const epoch = Math.max(store.apps.latestPlan(app)?.epoch ?? 0, store.epochs.of(app).floor)
    store.meta.put(epochFloorKey, Math.max(epoch, Number(store.meta.get(epochFloorKey) ?? 0)))
    new PendingOptions(store.meta).forget(app)
    forgetTraffic(store.meta, app)
    const removed = store.removeApp(app)
    this.planner.change(() => replan(this.#shop))
    outlet.appRemoved(app)
    await removed
  }

  /**
   * Goes on from a directive that a node has proven to hold, and that this gateway doesn't know it has made: it was restored from a backup. What the node runs stays
   * as it is where the gateway doesn't know its release, until an operator says otherwise. The caller has verified the proof.
   */
  adopt(proven: Directive, envelope: Uint8Array): void {
    const { store, outlet, clock } = this.#deps
    const learned = store.transaction((): Learned => {
      store.directives.adopt(proven, envelope)
      return learn(proven, { store, now: clock.now() })
    })
    this.#feeds.events.publish(learned.events)
    const directed = new Set<string>()
    for (const digest of [...learned.adopted, null]) {
      const wanted = digest === null ? undefined : this.releases.byDigest(digest)!
      const { directives } = this.planner.change(() => replan(this.#shop, wanted))
      for (const { directive } of directives) directed.add(directive.node)
    }
    // What is retained for it is the older one.
    if (!directed.has(proven.node)) outlet.directive({ directive: proven, envelope })
  }

  /** Tells a node to leave; it is forgotten when it has, or at once where it never comes back. Throws `not-found`. */
  async removeNode(node: string, force: boolean): Promise<void> {
    const { store, clock } = this.#deps
    if (!store.nodes.setRemoved(node, clock.now())) throw notFound('node', node)
    this.planner.change(() => replan(this.#shop))
    if (force) await this.forgetNode(node)
  }

  /** Removes everything about a node that has left. */
  async forgetNode(node: string): Promise<void> {
    this.leases.forget(node)
    // First the store: the broker keeps nothing more for who isn't in it.
    const parent = this.#deps.store.nodes.parentOf(node)
    const removed = this.#deps.store.removeNode(node)
    this.#deps.outlet.nodeForgotten(node)
    if (parent !== null) this.#deps.outlet.children(parent)
    await removed
  }
}
