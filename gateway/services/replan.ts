import { signOne } from '@hypha/core/trust/cose.ts'
import { type Directive, directive } from '@hypha/core/trust/directive.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { markShared } from '../distribute/release-messages.ts'
import type { Plan, PlannedInstance } from '../plan.ts'
import { directAll, handOverAll } from './direct-apps.ts'
import { type HandedOver, spotOf } from './handover.ts'
import { placeAll } from './place-apps.ts'
import type { StoredRelease } from './releases.ts'
import { revise, supersede } from './rollout-record.ts'
import { nodesOf, type Workshop } from './workshop.ts'

/** An app's plan before and after. */
export interface Replanned {
  readonly before: Plan | null
  readonly after: Plan
  readonly release: StoredRelease
  /** What messages are routed by: in the middle of a rollout the modules of both releases. */
  readonly routed: Release
  /** What a rollout brings: from its instant on it reports, which may be before anything is planned anew. */
  readonly coming: readonly PlannedInstance[]
  readonly epoch: number
}

export interface Outcome {
  /** Every app of the fleet, sorted. */
  readonly apps: ReadonlyMap<string, Replanned>
  readonly directives: readonly { readonly directive: Directive; readonly envelope: Uint8Array }[]
  /** Nodes to which inputs went that had waited for another. */
  readonly inputsMoved: readonly string[]
  /** Nodes that still have an instance which plans have elsewhere, or nowhere. */
  readonly speaking: HandedOver['speaking']
}

// Plans are kept for `rollback` without a number, and for who asks what ran.
const keptEpochs = 50

/**
 * Places every app on today's fleet and directs the nodes whose part changed; everything is stored, or nothing. `wanted` names the release that an app
 * is to run from now on, in place of the one that it runs. Call it within a transaction. Throws what `direct` and `Secrets.forNode` throw.
 */
export function replan(shop: Workshop, wanted?: StoredRelease): Outcome {
  const records = nodesOf(shop)
  // Who says what is to run decides for every node, also for those that hold what this gateway doesn't know.
  if (wanted !== undefined) {
    supersede(shop.store, wanted.app, `Release ${wanted.number} is chosen for all nodes at once`, shop.clock.now())
    choose(shop, wanted)
  }
  const apps = placeAll(shop, records, wanted)
  for (const [app, { rollout }] of apps) if (rollout?.revised) revise(shop.store, app, rollout.revised)
  const handed = handOverAll(shop, records, apps)
  const directed = directAll(shop, records, apps, handed)
  const now = shop.clock.now()
  const replanned = new Map<string, Replanned>()
  const moved = new Set([...handed.values()].flatMap(({ inputsMoved }) => [...inputsMoved]))
  for (const [app, { before, plan, release, epoch, rollout }] of apps) {
    const next = directed.epochs.get(app) ?? epoch
    const routed = rollout === null ? release.release : bothOf(release.release, rollout.other.release)
    const coming = rollout?.plan.instances ?? []
    replanned.set(app, { before, after: plan, release, routed, coming, epoch: next })
    for (const instance of coming) shop.store.given.assign(instance.node, { app, ...instance })
    // An app's first release is in no plan that is in force before it is committed somewhere.
    if (before === null && rollout !== null && rollout.direct.committed < 0) continue
    if (before !== null && next === epoch && JSON.stringify(before) === JSON.stringify(plan)) continue
    shop.store.apps.addPlan({ app, epoch: next, release: plan.digest, json: plan, createdAt: now })
    for (const instance of plan.instances) shop.store.given.assign(instance.node, { app, ...instance })
    shop.store.apps.removePlansBefore(app, next - keptEpochs)
    dropInputs(shop, before, plan)
  }
  const directives = markShared(directed.directives, directed.held).map((made) => {
    const envelope = signOne(directive.encode(made), 'directive', shop.signer())
    if (directed.anew.has(made.node)) shop.store.directives.putAnew(made, envelope)
    else shop.store.directives.put(made, envelope)
    for (const { app, key } of secretsIn(made)) shop.store.given.sealedTo(made.node, app, key)
    // What a node installs by itself has no instances, and events all the same.
    for (const { app, instances } of made.sections) {
      if (instances.length === 0) shop.store.given.assign(made.node, { app, module: '', home: null })
    }
    return { directive: made, envelope }
  })
  const speaking = [...handed.values()].flatMap((each) => each.speaking)
  return { apps: replanned, directives, inputsMoved: [...moved], speaking }
}

/** A release with the modules that only the other one has. */
function bothOf(first: Release, second: Release): Release {
  const names = new Set(first.modules.map(({ name }) => name))
  return { ...first, modules: [...first.modules, ...second.modules.filter(({ name }) => !names.has(name))] }
}

/** Writes down that an operator has said which release is to run. The same word again is none. */
export function choose({ store, clock }: Workshop, { app, digest }: StoredRelease): void {
  const carried = store.epochs.carried().filter((each) => each.app === app)
  if (carried.length === 0 && store.apps.latestPlan(app)?.release === digest) return
  store.epochs.uncarry(app)
  // Above all that was chosen before, also by a clock that went ahead.
  const before = Math.max(store.epochs.of(app).chosen, ...carried.map(({ chosen }) => chosen))
  store.epochs.raise(app, { chosen: Math.max(clock.now(), before + 1) })
}

/** Secrets that a directive hands to its node. */
const secretsIn = ({ sections }: Directive): { app: string; key: string }[] =>
  sections.flatMap(({ app, instances }) =>
    instances.flatMap(({ config }) =>
      Object.entries(config).flatMap(([key, { kind }]) => (kind === 'sealed' ? [{ app, key }] : [])),
    ),
  )

/** What waits for an instance that is no more is dropped; where it has no place it waits on. */
function dropInputs({ store }: Workshop, before: Plan | null, after: Plan): void {
  const here = new Set([...after.instances, ...after.unplaced].map(spotOf))
  for (const { module, home, node } of before?.instances ?? []) {
    if (!here.has(spotOf({ module, home }))) store.inputs.drop({ node, app: after.app, module, home })
  }
}
