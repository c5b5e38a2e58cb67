import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { authorFaults, type Plan } from '../plan.ts'
import { accept } from '../push/accept.ts'
import { changesOf } from './changes.ts'
import type { GatewayDeps } from './deps.ts'
import type { Feeds } from './feeds.ts'
import { notFound } from './not-found.ts'
import { Releases, type StoredRelease } from './releases.ts'
import { epochFloorKey, type Outcome, type Replanned, replan, tryPlace, type Workshop } from './replan.ts'
import { Routes } from './routes.ts'
import { Secrets } from './secrets.ts'
import { Transfers } from './transfers.ts'

/** Nodes that report one after another within this time cause one replan. */
const debounceMs = 200
/** How often the directives are looked through for ones to renew. */
const renewEveryMs = 3_600_000

/**
 * The gateway's sentence from accept to direct. Everything that changes where modules run goes through here, one change after another: each is one transaction
 * in which nothing waits, and what it decided goes out after it was committed.
 */
export class Pipeline {
  readonly releases: Releases
  readonly secrets: Secrets
  readonly routes = new Routes()
  /** Directives have at least these versions: above those that nodes have proven to hold. */
  readonly provenVersions = new Map<string, number>()
  readonly #deps: GatewayDeps
  readonly #feeds: Feeds
  readonly #shop: Workshop
  /** Whether something has no place, and may have one when a node comes. */
  incomplete = false
  #cancelReplan: (() => void) | null = null
  #cancelRenewal: (() => void) | null = null

  constructor(deps: GatewayDeps, feeds: Feeds) {
    const { store, crypto, clock, signer, compressor, boxKeys } = deps
    this.#deps = deps
    this.#feeds = feeds
    this.releases = new Releases(store)
    this.secrets = new Secrets(boxKeys, crypto)
    const transfers = new Transfers(store, compressor)
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
  push(envelope: Uint8Array, components: readonly Uint8Array[]): Replanned {
    const { store, crypto, clock, root } = this.#deps
    const known = (app: string) => {
      const [newest] = store.apps.releases(app)
      return { number: newest?.number ?? 0, digest: newest?.digest ?? null, floor: this.releases.floor(app) }
    }
    const accepted = accept(envelope, components, { fleet: store.fleet, role: root().release, crypto, known })
    const { app, number, label } = accepted.release
    const contents = [...accepted.contents.values()]
    // Compressing is slow: it is done before the database is locked.
    const prepared = [envelope, ...contents].map((bytes) => ({ bytes, transfer: this.#shop.transfers.prepare(bytes) }))
    const digest = toHex(accepted.digest)
    const outcome = this.#change(() => {
      store.apps.addRelease({ app, number, digest, label, createdAt: clock.now(), envelope, contents })
      for (const { bytes, transfer } of prepared) {
        store.contents.putTransfer(toHex(crypto.sha256(bytes)), transfer.record, transfer.bytes)
      }
      const made = replan(this.#shop, this.releases.byDigest(digest)!)
      refuseImpossible(made.apps.get(app)!.after)
      return made
    })
    return outcome.apps.get(app)!
  }

  /** Runs a stored release again; without a number, the one that ran before the present one. Throws `not-found`, `release-below-floor`. */
  rollback(app: string, number: number | undefined): Replanned {
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

  /** Removes an app with all that the gateway and the nodes have of it. Throws `not-found`. */
  async removeApp(app: string): Promise<void> {
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
    this.#deps.outlet.nodeForgotten(node)
    await this.#deps.store.removeNode(node)
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
    this.routes.set([...outcome.apps.values()].map(({ after, release }) => ({ plan: after, release })))
    this.incomplete = [...outcome.apps.values()].some(({ after }) => !after.complete)
    for (const made of outcome.directives) outlet.directive(made)
    if (outcome.inputsMoved.length > 0) outlet.inputsMoved(outcome.inputsMoved)
    this.#feeds.events.publish(events)
    return outcome
  }
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
