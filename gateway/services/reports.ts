import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { openEnvelope, verifyThreshold } from '@hypha/core/trust/cose.ts'
import { type Directive, directive } from '@hypha/core/trust/directive.ts'
import { maxDirectiveBytes } from '@hypha/core/trust/snapshot.ts'
import type { Inventory, NodeState, Tier } from '@hypha/core/wire/messages/state.ts'
import { Buckets } from '../broker/bucket.ts'
import { createProgress } from '../distribute/progress.ts'
import { Checkpoints } from './checkpoints.ts'
import type { GatewayDeps } from './deps.ts'
import type { Escalation } from './escalation.ts'
import type { Feeds } from './feeds.ts'
import { Following } from './following.ts'
import { LinkTraffic } from './link-traffic.ts'
import type { Pipeline } from './pipeline.ts'
import { checkPlausible } from './plausible.ts'
import { Receipts } from './receipts.ts'

const storageStep = 64 * 1_048_576

/** What of a node's report plans depend on. Its free storage changes with every file: only larger changes count. */
function planKey(tier: Tier, inventory: Inventory, fingerprint: string): string {
  const storage = Math.floor(inventory.storageBytes / storageStep)
  return JSON.stringify([tier, { ...inventory, storageBytes: storage }, fingerprint])
}

/** What the pipeline hears of nodes, after ingest has stored it. */
export class NodeReports {
  readonly #deps: GatewayDeps
  readonly #pipeline: Pipeline
  readonly #inventories = new Map<string, string>()
  readonly #replans = new Buckets({ perSecond: 1 / 10, burst: 10 })
  /** How much of each app's release each node holds. */
  readonly progress: ReturnType<typeof createProgress>
  /** What they sign of their flips. */
  readonly receipts: Receipts
  /** What they say of what fails on them, and of what they run short of. */
  readonly escalation: Escalation
  /** What they say that instances keep, which may have to go elsewhere. */
  readonly checkpoints: Checkpoints
  /** Has apps placed by what these add up to, where they allow it. */
  readonly following: Following
  /** What they say of the calls between their modules. */
  readonly links: LinkTraffic

  constructor(deps: GatewayDeps, pipeline: Pipeline, feeds: Feeds) {
    this.receipts = new Receipts(deps, feeds)
    this.checkpoints = new Checkpoints(deps, pipeline.planner, feeds)
    this.#deps = deps
    this.#pipeline = pipeline
    this.progress = createProgress()
    this.links = new LinkTraffic(deps.clock)
    this.escalation = pipeline.escalation
    this.following = new Following(deps, pipeline.planner, (app) => this.links.list(app))
    // The plan at the start is made from these: after a restart the whole fleet says the same again.
    for (const { id, tier, inventory, fingerprint } of deps.store.nodes.list()) {
      if (inventory !== null) this.#inventories.set(id, planKey(tier, inventory, fingerprint))
    }
  }

  state(node: string, state: NodeState): void {
    const { store } = this.#deps
    const record = store.nodes.get(node)
    if (record === null) return
    if (record.removedAt !== null) {
      const told = store.directives.version(node)
      if (state.directive >= told && state.sections.length === 0) void this.#forget(node)
      return
    }
    this.#pipeline.rollouts.state(node, state)
    this.checkpoints.state(node, state)
    this.#pipeline.refusals.hear(node, state, () => {
      const may = this.#mayReplan(node)
      if (may) this.#pipeline.planner.replanSoon()
      return may
    })
    // Who joined anew under its name has another certificate, and nothing is known of it but this report.
    const inventory = planKey(state.tier, state.inventory, record.fingerprint)
    if (this.#inventories.get(node) === inventory || !this.#mayReplan(node)) return
    this.#inventories.set(node, inventory)
    this.#pipeline.planner.replanSoon()
  }

  /** Planning costs more than saying something new about oneself. A node that does so without end is passed over for a while: it says the same again twice a minute. */
  #mayReplan(node: string): boolean {
    const now = this.#deps.clock.monotonic()
    return this.#replans.of(node, now).take(1, now)
  }

  /** Another device has the node's name: it is to be given the directive, also where that says the same as before. */
  replaced(node: string): void {
    this.#inventories.delete(node)
    this.#pipeline.leases.forget(node)
    this.#pipeline.refusals.forget(node)
    this.#pipeline.rollouts.forget(node)
    this.progress.forget(node)
    this.links.forget(node)
    this.escalation.forget(node)
    try {
      this.#pipeline.planner.replan()
    } catch (error) {
      this.#deps.onFailure(error)
    }
    const { store, outlet } = this.#deps
    const made = store.directives.get(node)
    if (made !== null) outlet.directive(made)
  }

  presence(node: string, online: boolean): void {
    this.#pipeline.rollouts.presence(node, online)
    if (!online) this.checkpoints.forget(node)
    this.#pipeline.leases.presence(node, online)
    // What has no place may have one now. Who goes away keeps what it has.
    if (online && this.#pipeline.planner.incomplete && this.#mayReplan(node)) this.#pipeline.planner.replanSoon()
  }

  async #forget(node: string): Promise<void> {
    this.#inventories.delete(node)
    this.#pipeline.leases.left(node)
    this.#pipeline.refusals.forget(node)
    this.#pipeline.rollouts.forget(node)
    this.progress.forget(node)
    this.links.forget(node)
    this.escalation.forget(node)
    try {
      await this.#pipeline.forgetNode(node)
    } catch (error) {
      this.#deps.onFailure(error)
    }
  }

  /**
   * The envelope of a directive that a node holds, which it sends when it refuses one for an older one: a gateway restored from a backup doesn't know that it has
   * made it, and goes on from there. What isn't signed by the gateway role proves nothing. [P 6.7]
   */
  proof(node: string, held: Uint8Array): void {
    const { root, crypto, store, clock } = this.#deps
    const opened = openEnvelope(held, 'directive', maxDirectiveBytes)
    const proven = directive.decode(verifyThreshold(opened, 'directive', root().gateway, 'gateway', crypto))
    const told = store.directives.get(node)
    if (proven.fleet !== store.fleet || proven.node !== node || store.nodes.get(node) === null) return
    if (told !== null && (bytesEqual(told.envelope, held) || !isLater(proven, told.directive))) return
    checkPlausible(proven, { store, now: clock.now() })
    this.#pipeline.adopt(proven, held)
  }
}

/** By its version, or by what it says of an app: what was restored may have come to a higher version by itself since. */
function isLater(proven: Directive, told: Directive): boolean {
  if (proven.version >= told.version) return true
  return told.sections.some(({ app, epoch, chosenMs }) =>
    proven.sections.some(
      (other) => other.app === app && (other.epoch > epoch || (other.chosenMs ?? 0) > (chosenMs ?? 0)),
    ),
  )
}
