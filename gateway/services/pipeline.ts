import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { mergeSignatures, openEnvelope, signaturesBy } from '@hypha/core/trust/cose.ts'
import type { Directive } from '@hypha/core/trust/directive.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { maxReleaseBytes } from '@hypha/core/trust/snapshot.ts'
import { type AppRoutes, appRoutes, type Publisher, routeMessage, type Target } from '../distribute/route.ts'
import { createTransfers, type Transfers } from '../distribute/transfers.ts'
import { authorFaults, type Plan } from '../plan.ts'
import { type AcceptedRelease, accept } from '../push/accept.ts'
import { digestOf } from '../store/contents.ts'
import { changesOf } from './changes.ts'
import type { GatewayDeps } from './deps.ts'
import type { Feeds } from './feeds.ts'
import { notFound } from './not-found.ts'
import { type Learned, learn } from './proof.ts'
import { Releases, type Signed, type StoredRelease } from './releases.ts'
import { epochFloorKey, type Outcome, type Replanned, replan, tryPlace, type Workshop } from './replan.ts'
import { Secrets } from './secrets.ts'

/** What came of a push or of a signature. */
export interface Pushed extends Signed {
  readonly release: StoredRelease
  /** It waits for more signatures, and runs nowhere before. */
  readonly pending: boolean
  /** Where it runs, or would. */
  readonly plan: Plan
  /** Of the app, now. */
  readonly epoch: number
}

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
    const { store, crypto, clock, signer, root, boxKeys } = deps
    this.#deps = deps
    this.#feeds = feeds
    this.releases = new Releases(store)
    this.secrets = new Secrets(boxKeys, crypto)
    this.#transfers = createTransfers(store.contents)
    const transfers = this.#transfers
    const { releases, secrets } = this
    this.#shop = { store, crypto, clock, signer, root, releases, transfers, secrets }
  }

  /** Sends every node its directive again, places and directs what is stored, and goes on renewing directives until `stop`. */
  start(): void {
    this.#sendAgain()
    const renew = () => {
      this.#inBackground()
      this.#cancelRenewal = this.#deps.clock.after(renewEveryMs, renew)
    }
    renew()
  }

  /**
   * Root metadata has changed. What the gateway's key of before has signed is signed anew, and every node is sent its directive again: it may have forgotten what it held
   * (`forgetReplaced` in `src/trust/rules.ts`).
   */
  rootChanged(): void {
    this.#inBackground()
    this.#sendAgain()
  }

  /** The process may have died between a directive's commit and its way to the broker. */
  #sendAgain(): void {
    for (const made of this.#deps.store.directives.list()) this.#deps.outlet.directive(made)
  }

  stop(): void {
    this.#cancelReplan?.()
    this.#cancelRenewal?.()
    this.#cancelReplan = null
    this.#cancelRenewal = null
  }

  /**
   * Accepts a release and runs it, or keeps it until enough keys have signed it. The same one again adds its signatures. Throws what `accept` throws, `plan-impossible`,
   * `bytes-too-long`; what throws has changed nothing.
   */
  push(envelope: Uint8Array, components: readonly Uint8Array[]): Promise<Pushed> {
    return this.#inTurn(async () => {
      const { store, clock } = this.#deps
      const accepted = this.#accept(envelope, components)
      const { app, number, label } = accepted.release
      const digest = toHex(accepted.digest)
      const known = this.releases.byDigest(digest)
      if (known !== null) return this.#addSignatures(known, envelope, true)
      const plan = refuseImpossible(tryPlace(this.#shop, { release: accepted.release, digest }))
      const enough = accepted.enough
      const keepTransfers = enough ? await this.#transfers.prepare(travelling(accepted)) : () => undefined
      const keep = () => {
        this.#dropPending(app)
        const contents = [...accepted.contents.values()]
        store.apps.addRelease({
          app,
          number,
          digest,
          label,
          createdAt: clock.now(),
          envelope,
          contents,
          pending: !enough,
        })
        keepTransfers()
        return this.releases.byDigest(digest)!
      }
      return enough ? this.#run(keep) : this.#wait(keep, plan)
    })
  }

  /**
   * Adds the signatures of an envelope to a release. One that waited runs once it has enough; one that runs goes on, under the new envelope. Throws `not-found`,
   * `envelope-malformed` for another payload, `threshold-not-met` where none of the signatures is by a key of the release role, and what `push` throws.
   */
  sign(app: string, number: number, envelope: Uint8Array): Promise<Pushed> {
    return this.#inTurn(async () => {
      const found = this.releases.byNumber(app, number)
      if (found === null) throw notFound('release', `${number} of ${app}`)
      return this.#addSignatures(found, envelope, false)
    })
  }

  async #addSignatures(found: StoredRelease, given: Uint8Array, run: boolean): Promise<Pushed> {
    const { store, crypto, root } = this.#deps
    const { app, number } = found
    const role = root().release
    const before = this.releases.envelopeToSign(found)
    const options = { kind: 'release', role, maxBytes: maxReleaseBytes, crypto } as const
    const merged = mergeSignatures(before, given, options)
    const { valid } = signaturesBy(openEnvelope(given, 'release', maxReleaseBytes), role, crypto)
    if (valid.length === 0) {
      throw new HyphaError('threshold-not-met', `No key of the release role has signed what came for ${app} ${number}`)
    }
    const enough =
      signaturesBy(openEnvelope(merged, 'release', maxReleaseBytes), role, crypto).valid.length >= role.threshold
    const keep = (to: { envelope: Uint8Array; collecting: Uint8Array | null; pending: boolean }) => () => {
      if (merged !== before || found.pending !== to.pending) store.apps.setEnvelope(app, number, to)
      return this.releases.byNumber(app, number)!
    }
    const whole = keep({ envelope: merged, collecting: null, pending: false })
    if (!found.pending) {
      const inForce = store.contents.get(found.envelope)!
      // Nodes would refuse an envelope with too few signatures: they are given it when it has enough.
      const kept = enough ? whole : keep({ envelope: inForce, collecting: merged, pending: false })
      return run && enough ? this.#run(kept) : this.#resign(kept)
    }
    const plan = refuseImpossible(tryPlace(this.#shop, found))
    if (!enough) return this.#wait(keep({ envelope: merged, collecting: null, pending: true }), plan)
    const contents = new Map(
      store.apps.contentsOf(app, number).map((digest) => [digest, store.contents.get(digest)!] as const),
    )
    const keepTransfers = await this.#transfers.prepare(
      travelling({ release: found.release, envelope: merged, contents }),
    )
    return this.#run(() => {
      const release = whole()
      keepTransfers()
      return release
    })
  }

  /** Keeps a release and runs it. */
  #run(keep: () => StoredRelease): Pushed {
    let release: StoredRelease | null = null
    const outcome = this.#change(() => {
      release = keep()
      return replan(this.#shop, release)
    })
    const { after: plan, epoch } = outcome.apps.get(release!.app)!
    return { release: release!, pending: false, plan, epoch, ...this.signed(release!) }
  }

  /** Keeps more signatures of a release that may run already: nodes that do are told of them. */
  #resign(keep: () => StoredRelease): Pushed {
    let release: StoredRelease | null = null
    this.#change(() => {
      release = keep()
      return replan(this.#shop)
    })
    const { app } = release!
    const current = this.#deps.store.apps.latestPlan(app)
    const plan = current === null ? tryPlace(this.#shop, release!) : (current.json as Plan)
    return { release: release!, pending: false, plan, epoch: current?.epoch ?? 0, ...this.signed(release!) }
  }

  /** Keeps a release that has too few signatures to run. */
  #wait(keep: () => StoredRelease, plan: Plan): Pushed {
    const release = this.#deps.store.transaction(keep)
    const epoch = this.#deps.store.apps.latestPlan(release.app)?.epoch ?? 0
    return { release, pending: true, plan, epoch, ...this.signed(release) }
  }

  /** A newer release takes the place of one that waits. */
  #dropPending(app: string): void {
    const { apps } = this.#deps.store
    for (const { number, pending } of apps.allReleases(app)) if (pending) apps.removeRelease(app, number)
  }

  /** How far a release is with its signatures, by the root metadata in force. */
  signed(release: StoredRelease, which?: 'inForce'): Signed {
    const { root, crypto } = this.#deps
    return this.releases.signed(release, root().release, crypto, which)
  }

  #accept(envelope: Uint8Array, components: readonly Uint8Array[]): AcceptedRelease {
    const { store, crypto, root } = this.#deps
    const known = (app: string) => {
      const [newest] = store.apps.allReleases(app)
      return { number: newest?.number ?? 0, digest: newest?.digest ?? null, floor: this.releases.floor(app) }
    }
    return accept(envelope, components, { fleet: store.fleet, role: root().release, crypto, known })
  }

  /**
   * Runs a stored release again; without a number, the one that ran before the present one, or where nodes run one that this gateway doesn't know, the present one. Throws
   * `not-found`, `release-below-floor`, `release-pending`, `threshold-not-met`.
   */
  rollback(app: string, number: number | undefined): Promise<Replanned> {
    return this.#inTurn(async () => this.#rollback(app, number))
  }

  #rollback(app: string, number: number | undefined): Replanned {
    const target = this.#rollbackTarget(app, number)
    const floor = this.releases.floor(app)
    if (target.number < floor) {
      throw new HyphaError('release-below-floor', `Release ${target.number} of ${app} is below its floor ${floor}`)
    }
    this.#checkSigned(target)
    return this.#change(() => replan(this.#shop, target)).apps.get(app)!
  }

  /** Nodes would refuse it: then nothing is begun. */
  #checkSigned(target: StoredRelease): void {
    const { app, number, pending } = target
    const { signed, threshold } = this.signed(target, 'inForce')
    const mend = `Sign it, and try again: hypha sign ${app}@${number}.`
    if (pending) {
      throw new HyphaError('release-pending', `Release ${number} of ${app} is signed ${signed} of ${threshold}`, {
        mend,
      })
    }
    if (signed >= threshold) return
    const text = `Release ${number} of ${app} has ${signed} of ${threshold} signatures of the release role`
    throw new HyphaError('threshold-not-met', text, { mend })
  }

  #rollbackTarget(app: string, number: number | undefined): StoredRelease {
    const { apps, epochs } = this.#deps.store
    const current = apps.latestPlan(app)
    if (current === null) throw notFound('app', app)
    if (number === undefined && epochs.carried().some((each) => each.app === app)) {
      return this.releases.byDigest(current.release)!
    }
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

  /** Removes a release that waits for signatures, or that neither runs nor is the newest. Throws `not-found`, `release-in-use`. */
  removeRelease(app: string, number: number): Promise<void> {
    return this.#inTurn(async () => {
      const { store } = this.#deps
      const { apps } = store
      const found = apps.release(app, number)
      if (found === null) throw notFound('release', `${number} of ${app}`)
      const [newest] = apps.releases(app)
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
    return this.#inTurn(() => this.#removeApp(app))
  }

  async #removeApp(app: string): Promise<void> {
    const { store, outlet } = this.#deps
    // One that only nodes know is removed as any other.
    const carried = store.epochs.carried().some((each) => each.app === app)
    if (!store.apps.has(app) && !carried) throw notFound('app', app)
    const epoch = Math.max(store.apps.latestPlan(app)?.epoch ?? 0, store.epochs.of(app).floor)
    store.meta.put(epochFloorKey, Math.max(epoch, Number(store.meta.get(epochFloorKey) ?? 0)))
    const removed = store.removeApp(app)
    this.#change(() => replan(this.#shop))
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
      const { directives } = this.#change(() => replan(this.#shop, wanted))
      for (const { directive } of directives) directed.add(directive.node)
    }
    // What is retained for it is the older one.
    if (!directed.has(proven.node)) outlet.directive({ directive: proven, envelope })
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

/** What nodes are sent of a release, by digest: its envelope, its files, and of each module the core form where it has one. */
function travelling({
  release,
  envelope,
  contents,
}: Pick<AcceptedRelease, 'release' | 'envelope' | 'contents'>): Map<string, Uint8Array> {
  const modules = release.modules.map(({ core, component }) => core ?? component)
  const files = (release.files ?? []).map(({ artifact }) => artifact)
  const artifacts = [...modules, ...files].map(({ digest }) => toHex(digest))
  return new Map([[digestOf(envelope), envelope], ...artifacts.map((name) => [name, contents.get(name)!] as const)])
}

/** What only the author can mend must not wait for a fleet that could hold it. */
function refuseImpossible(plan: Plan): Plan {
  const faults = plan.unplaced.flatMap(({ module, reasons }) =>
    reasons.filter(({ code }) => authorFaults.includes(code)).map(({ text }) => ({ module, text })),
  )
  const [first] = faults
  if (first === undefined) return plan
  const texts = [...new Set(faults.map(({ text }) => text))]
  throw new HyphaError('plan-impossible', `No fleet could hold ${plan.app}: ${texts.join('; ')}`, {
    where: first.module,
  })
}
