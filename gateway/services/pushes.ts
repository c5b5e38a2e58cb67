import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { mergeSignatures, openEnvelope, signaturesBy } from '@hypha/core/trust/cose.ts'
import { maxReleaseBytes } from '@hypha/core/trust/snapshot.ts'
import type { RolloutOptions } from '../distribute/rollout-policy.ts'
import { authorFaults, type Plan } from '../plan.ts'
import { type AcceptedRelease, accept } from '../push/accept.ts'
import { digestOf } from '../store/contents.ts'
import type { GatewayDeps } from './deps.ts'
import { basesOf } from './holdings.ts'
import { notFound } from './not-found.ts'
import { PendingOptions } from './pending-options.ts'
import { tryPlace } from './place-apps.ts'
import type { Planner } from './planner.ts'
import type { Signed, StoredRelease } from './releases.ts'
import { type Outcome, type Replanned, replan } from './replan.ts'
import type { Begin, Rollouts } from './rollouts.ts'

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

export type RolledBack = Pick<Replanned, 'after' | 'epoch' | 'release'>

/** How releases come to run: they are pushed, signed by as many as the release role wants, or chosen again. */
export class Pushes {
  readonly #deps: GatewayDeps
  readonly #planner: Planner
  readonly #rollouts: Rollouts
  readonly #pending: PendingOptions

  constructor(deps: GatewayDeps, planner: Planner, rollouts: Rollouts) {
    this.#deps = deps
    this.#pending = new PendingOptions(deps.store.meta)
    this.#planner = planner
    this.#rollouts = rollouts
  }

  /**
   * Accepts a release and runs it, or keeps it until enough keys have signed it. The same one again adds its signatures. Throws what `accept` throws, `plan-impossible`,
   * `bytes-too-long`; what throws has changed nothing.
   */
  push(envelope: Uint8Array, components: readonly Uint8Array[], options: RolloutOptions = {}): Promise<Pushed> {
    return this.#planner.inTurn(async () => {
      const { store, clock } = this.#deps
      const accepted = this.#accept(envelope, components)
      const { app, number, label } = accepted.release
      const digest = toHex(accepted.digest)
      const known = this.#planner.shop.releases.byDigest(digest)
      if (known !== null) return this.#addSignatures(known, envelope, true, options)
      const plan = refuseImpossible(tryPlace(this.#planner.shop, { release: accepted.release, digest }))
      const enough = accepted.enough
      const keepTransfers = enough ? await this.#prepare(accepted) : () => undefined
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
        return this.#planner.shop.releases.byDigest(digest)!
      }
      return enough ? this.#run(keep, options) : this.#wait(keep, plan, options)
    })
  }

  /**
   * Adds the signatures of an envelope to a release. One that waited runs once it has enough; one that runs goes on, under the new envelope. Throws `not-found`,
   * `envelope-malformed` for another payload, `threshold-not-met` where none of the signatures is by a key of the release role, and what `push` throws.
   */
  sign(app: string, number: number, envelope: Uint8Array): Promise<Pushed> {
    return this.#planner.inTurn(async () => {
      const found = this.#planner.shop.releases.byNumber(app, number)
      if (found === null) throw notFound('release', `${number} of ${app}`)
      return this.#addSignatures(found, envelope, false)
    })
  }

  async #addSignatures(
    found: StoredRelease,
    given: Uint8Array,
    run: boolean,
    options: RolloutOptions = {},
  ): Promise<Pushed> {
    const { store, crypto, root } = this.#deps
    const { app, number } = found
    const role = root().release
    const before = this.#planner.shop.releases.envelopeToSign(found)
    const by = { kind: 'release', role, maxBytes: maxReleaseBytes, crypto } as const
    const merged = mergeSignatures(before, given, by)
    const { valid } = signaturesBy(openEnvelope(given, 'release', maxReleaseBytes), role, crypto)
    if (valid.length === 0) {
      throw new HyphaError('threshold-not-met', `No key of the release role has signed what came for ${app} ${number}`)
    }
    const enough =
      signaturesBy(openEnvelope(merged, 'release', maxReleaseBytes), role, crypto).valid.length >= role.threshold
    const keep = (to: { envelope: Uint8Array; collecting: Uint8Array | null; pending: boolean }) => () => {
      if (merged !== before || found.pending !== to.pending) store.apps.setEnvelope(app, number, to)
      return this.#planner.shop.releases.byNumber(app, number)!
    }
    const whole = keep({ envelope: merged, collecting: null, pending: false })
    if (!found.pending) {
      const inForce = store.contents.get(found.envelope)!
      // Nodes would refuse an envelope with too few signatures: they are given it when it has enough.
      const kept = enough ? whole : keep({ envelope: inForce, collecting: merged, pending: false })
      return run && enough ? this.#run(kept, options) : this.#resign(kept)
    }
    const plan = refuseImpossible(tryPlace(this.#planner.shop, found))
    if (!enough) return this.#wait(keep({ envelope: merged, collecting: null, pending: true }), plan, options)
    const contents = new Map(
      store.apps.contentsOf(app, number).map((digest) => [digest, store.contents.get(digest)!] as const),
    )
    const keepTransfers = await this.#prepare({ release: found.release, envelope: merged, contents })
    return this.#run(
      () => {
        const release = whole()
        keepTransfers()
        return release
      },
      { ...this.#pending.of(app, number), ...options },
    )
  }

  /** Has ready what nodes are sent of it. */
  #prepare(made: Parameters<typeof travelling>[0]): Promise<() => void> {
    const { transfers, releases } = this.#planner.shop
    return transfers.prepare(travelling(made), basesOf(made.release, { store: this.#deps.store, releases }))
  }

  /** Keeps a release and runs it. */
  #run(keep: () => StoredRelease, options: RolloutOptions): Pushed {
    let release: StoredRelease | null = null
    const outcome = this.#planner.change(() => {
      release = keep()
      this.#pending.forget(release.app)
      return this.#bring(release, { kind: 'push', options })
    })
    const { plan, epoch } = this.#broughtBy(outcome, release!)
    return { release: release!, pending: false, plan, epoch, ...this.signed(release!) }
  }

  /** Has a release brought to the fleet, in two phases where that can be. */
  #bring(release: StoredRelease, how: Begin): Outcome {
    const { store, twoPhases } = this.#deps
    const { snap, approve } = how.options
    const said = how.kind === 'push' && release.release.rollout !== null
    const asked = twoPhases === 'always' || snap === true || approve === true || said
    try {
      // What a directive can't say beside what runs, it may say alone.
      const begun = asked ? store.transaction(() => this.#rollouts.begin(release, how)) : null
      if (begun !== null) return begun
    } catch (error) {
      if (!(error instanceof HyphaError && error.code === 'bytes-too-long')) throw error
    }
    this.#rollouts.passOver(release.app)
    return replan(this.#planner.shop, release)
  }

  #broughtBy({ apps }: Outcome, { app, digest }: StoredRelease): { readonly plan: Plan; readonly epoch: number } {
    const onItsWay = this.#rollouts.onItsWay(app)
    if (onItsWay?.release.digest === digest) return onItsWay
    const { after: plan, epoch } = apps.get(app)!
    return { plan, epoch }
  }

  /** Keeps more signatures of a release that may run already: nodes that do are told of them. */
  #resign(keep: () => StoredRelease): Pushed {
    let release: StoredRelease | null = null
    this.#planner.change(() => {
      release = keep()
      return replan(this.#planner.shop)
    })
    const { app } = release!
    const current = this.#deps.store.apps.latestPlan(app)
    const plan = current === null ? tryPlace(this.#planner.shop, release!) : (current.json as Plan)
    return { release: release!, pending: false, plan, epoch: current?.epoch ?? 0, ...this.signed(release!) }
  }

  /** Keeps a release that has too few signatures to run, with what was said of its rollout. */
  #wait(keep: () => StoredRelease, plan: Plan, options: RolloutOptions): Pushed {
    const release = this.#deps.store.transaction(() => {
      const kept = keep()
      this.#pending.keep(kept.app, kept.number, options)
      return kept
    })
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
    return this.#planner.shop.releases.signed(release, root().release, crypto, which)
  }

  #accept(envelope: Uint8Array, components: readonly Uint8Array[]): AcceptedRelease {
    const { store, crypto, root } = this.#deps
    const known = (app: string) => {
      const [newest] = store.apps.allReleases(app)
      return {
        number: newest?.number ?? 0,
        digest: newest?.digest ?? null,
        floor: this.#planner.shop.releases.floor(app),
      }
    }
    return accept(envelope, components, { fleet: store.fleet, role: root().release, crypto, known })
  }

  /**
   * Runs a stored release again; without a number, the one that ran before the present one; where another is on its way, or nodes run one that this gateway doesn't know, the present one. Throws
   * `not-found`, `release-below-floor`, `release-pending`, `threshold-not-met`.
   */
  rollback(app: string, number: number | undefined, options: RolloutOptions = {}): Promise<RolledBack> {
    return this.#planner.inTurn(async () => this.#rollback(app, number, options))
  }

  #rollback(app: string, number: number | undefined, options: RolloutOptions): RolledBack {
    const target = this.#rollbackTarget(app, number)
    const floor = this.#planner.shop.releases.floor(app)
    if (target.number < floor) {
      throw new HyphaError('release-below-floor', `Release ${target.number} of ${app} is below its floor ${floor}`)
    }
    this.#checkSigned(target)
    const outcome = this.#planner.change(() => this.#bring(target, { kind: 'rollback', options }))
    const { plan: after, epoch } = this.#broughtBy(outcome, target)
    return { after, epoch, release: target }
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
    const onItsWay = this.#rollouts.onItsWay(app)
    const isBegun = onItsWay !== null && onItsWay.release.digest !== current.release
    if (number === undefined && (isBegun || epochs.carried().some((each) => each.app === app))) {
      return this.#planner.shop.releases.byDigest(current.release)!
    }
    if (number !== undefined) {
      const found = this.#planner.shop.releases.byNumber(app, number)
      if (found === null) throw notFound('release', `${number} of ${app}`)
      return found
    }
    for (let epoch = current.epoch - 1; epoch > 0; epoch--) {
      const before = apps.plan(app, epoch)
      const found =
        before === null || before.release === current.release
          ? null
          : this.#planner.shop.releases.byDigest(before.release)
      if (found !== null) return found
    }
    throw new HyphaError('not-found', `${app} has run no other release than the present one`, { where: app })
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
