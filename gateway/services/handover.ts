import { fromHex } from '@hypha/core/bytes/text.ts'
import type { Release, ReleaseModule } from '@hypha/core/trust/release.ts'
import { bareName } from '@hypha/core/wasm/versions.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import { kept } from '@hypha/core/wire/messages/checkpoint.ts'
import type { HeldBy } from '../direct/input.ts'
import { nextStep } from '../handover/machine.ts'
import type { Plan, PlannedInstance } from '../plan.ts'
import type { CheckpointRecord, Holder, InstanceId } from '../store/handovers.ts'
import type { NodeRecord } from '../store/nodes.ts'
import type { Store } from '../store/store.ts'

/** A node that is there and doesn't let go of an instance is waited for so long; one that is away too, unless a lease says how long. */
export const patienceMs = 20_000

/** An app as a replan has placed it. */
export interface HandoverApp {
  readonly app: string
  /** Null before its first plan. */
  readonly before: Plan | null
  readonly plan: Plan
  readonly releases: readonly Release[]
  readonly inRollout: boolean
  /** That rollout is between two waves. */
  readonly isResting: boolean
}

type Record = NodeRecord & { readonly lost?: boolean }

export interface HandoverParts {
  readonly store: Store
  readonly records: ReadonlyMap<string, Record>
  readonly now: number
}

export interface HandedOver {
  /** By `module@home`: who alone may be told to run it. */
  readonly holders: ReadonlyMap<string, HeldBy>
  /** Nodes that run an instance which the plan has elsewhere: they speak for it still. */
  readonly speaking: readonly (InstanceId & { readonly node: string })[]
  /** Nodes to which inputs went that had waited for another. */
  readonly inputsMoved: ReadonlySet<string>
}

export const spotOf = ({ module, home }: { readonly module: string; readonly home: string | null }): string =>
  `${module}@${home ?? ''}`

const bound = new Set(['hypha:host/sensor', 'hypha:host/actuator'])

/** Whether there must never be two of it, nor one that has forgotten: it keeps something, hears something, or acts by itself. What is bound to a device is there or nowhere. */
function isHandedOver({ world, spec }: ReleaseModule): boolean {
  const imports = world.imports.map(({ name }) => bareName(name))
  if (imports.some((name) => bound.has(name))) return false
  const keeps =
    imports.includes('hypha:host/kv') || world.exports.some(({ name }) => bareName(name) === 'hypha:module/state')
  return keeps || spec.subscribe.length > 0 || spec.timerMs !== null
}

/** Names of the modules whose instances are handed over. */
export const handedOver = (releases: readonly Release[]): ReadonlySet<string> =>
  new Set(releases.flatMap(({ modules }) => modules.filter(isHandedOver).map(({ name }) => name)))

/**
 * Decides for each instance of an app who may have it: the node that has it lets go first, and what it keeps goes on to where the plan has it. Called within the transaction in which directives
 * are made. [P 13.3, P 13.4]
 */
export function handOver(app: HandoverApp, parts: HandoverParts): HandedOver {
  const { handovers } = parts.store
  const modules = handedOver(app.releases)
  const placed = Map.groupBy(
    app.plan.instances.filter(({ module }) => modules.has(module)),
    spotOf,
  )
  const known = new Map(handovers.holders(app.app).map((holder) => [spotOf(holder), holder]))
  const before = new Map(app.before?.instances.map((instance) => [spotOf(instance), instance]))
  const unplaced = new Set(app.plan.unplaced.map(spotOf))
  const inputsMoved = new Set<string>()
  for (const [spot, planned] of placed) {
    const holder = known.get(spot) ?? firstHolder(app.app, planned, before.get(spot), parts)
    known.set(spot, advance(holder, planned, app, parts, inputsMoved))
  }
  for (const [spot, holder] of known) {
    if (placed.has(spot)) continue
    // Without a place, or between two releases, it is kept for when it has one.
    if (unplaced.has(spot) || app.inRollout) known.set(spot, advance(holder, [], app, parts, inputsMoved))
    else {
      handovers.drop(holder)
      known.delete(spot)
    }
  }
  const speaking = [...known.values()].filter(({ status }) => status !== 'free')
  return { holders: new Map([...known].map(([spot, holder]) => [spot, heldBy(holder)])), speaking, inputsMoved }
}

/** Of an instance that was never handed over: the node that has it now. */
function firstHolder(
  app: string,
  planned: readonly PlannedInstance[],
  before: PlannedInstance | undefined,
  { store, now }: HandoverParts,
): Holder {
  const { module, home, node } = before ?? planned[0]!
  const nothing = { lost: null, move: 0, digest: null, size: 0, turns: 0, origin: null, stopped: null, arrived: true }
  const holder: Holder = { app, module, home, node, status: 'held', since: now, wanted: node, ...nothing }
  store.handovers.put(holder)
  return holder
}

function advance(
  holder: Holder,
  planned: readonly PlannedInstance[],
  { inRollout, isResting }: Pick<HandoverApp, 'inRollout' | 'isResting'>,
  parts: HandoverParts,
  inputsMoved: Set<string>,
): Holder {
  const { store, records, now } = parts
  const leased = planned.some((each) => each.leased)
  const unable = whyUnable(holder, records.get(holder.node))
  const places = planned.map(({ node }) => node)
  const input = { places, inRollout, isResting, unable, patienceMs: patienceFor(records.get(holder.node), leased), now }
  const step = nextStep(holder, input)
  if (step.kind === 'stay') return holder
  const next = step.kind === 'give' ? give(holder, step.to, parts, inputsMoved) : step.holder
  store.handovers.put(next)
  return advance(next, planned, { inRollout, isResting }, parts, inputsMoved)
}

/** Who is away may still run what it has a lease of: then only the end of that counts. */
const patienceFor = (record: Record | undefined, leased: boolean): number =>
  leased && record?.presence?.online !== true ? Number.POSITIVE_INFINITY : patienceMs

function whyUnable({ node }: Holder, record: Record | undefined): string | null {
  if (record === undefined || record.removedAt !== null) return `${node} was removed`
  if (record.revoked !== null) return `${node} was revoked`
  if (record.clonedAt !== null) return `${node} isn't let in, for two machines have its keys`
  if (record.tier === 'mcu') return `${node} is a board, which hands nothing over`
  return record.lost ? `${node} is away, and its lease has run out` : null
}

/** The instance goes to a node, with what is stored of it and with the inputs that are still to be handled. */
function give(holder: Holder, to: string, parts: HandoverParts, inputsMoved: Set<string>): Holder {
  const { store, records, now } = parts
  const { handovers, inputs, contents, meta } = store
  const { app, module, home, node: from } = holder
  const board = records.get(to)?.tier === 'mcu'
  const stored = board ? null : handovers.checkpoint(holder)
  const handled = stored?.handled ?? 0
  // Nothing, too, is something to go on from: by it the node knows of the move.
  const keeps = board ? null : (stored?.kept ?? kept.encode({ app, module, home, ...keepsNothing }))
  const missing = board ? `${to} is a board, which takes nothing over` : holder.lost
  // What was handled is still to be reported by who did; anything above it is another's now, also where that node comes back and says otherwise.
  if (holder.lost !== null) handovers.depart(from, holder, { above: handled, until: null })
  const was = handovers.departure(to, holder)
  if (was.above !== null && was.until === null) handovers.depart(to, holder, { until: Math.max(handled, was.above) })
  if (inputs.moveAbove({ node: to, app, module, home }, handled) > 0) inputsMoved.add(to)
  return {
    ...holder,
    node: to,
    status: 'held',
    since: now,
    wanted: from === to ? holder.wanted : from,
    lost: missing === null ? null : lostText(missing, stored),
    move: meta.next('move', now),
    digest: keeps === null ? null : contents.put(keeps),
    size: keeps?.length ?? 0,
    turns: stored?.turns ?? 0,
    origin: from,
    stopped: holder.lost === null ? (stored?.stopped ?? null) : null,
    arrived: false,
  }
}

const keepsNothing = { state: null, kv: [], handled: [], calls: null, timer: null }

function lostText(why: string, stored: CheckpointRecord | null): string {
  if (stored === null) return `${why}: nothing is known of what it kept, and it begins anew`
  const turns = stored.turns === 0 ? '' : `, without the ${stored.turns} turns since its last save`
  return `${why}: it goes on from what it kept at ${new Date(stored.at).toISOString()}${turns}, and what it did after that is missing`
}

function heldBy({ app, module, home, node, status, wanted, move, digest, size, turns }: Holder): HeldBy {
  const state =
    status !== 'held' || digest === null ? null : { module, home, move, digest: fromHex(digest), size, turns }
  return { name: instanceName({ app, module, home }), node, ready: status === 'held', elsewhere: wanted, state }
}
