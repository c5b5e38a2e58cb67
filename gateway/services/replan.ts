import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { signOne } from '@hypha/core/trust/cose.ts'
import { type Directive, directive, type Setting } from '@hypha/core/trust/directive.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { direct, directiveLifetimeMs } from '../direct/direct.ts'
import type { DirectApp, DirectRollout } from '../direct/input.ts'
import { markShared } from '../distribute/release-messages.ts'
import { committedWave, preparingWave } from '../distribute/rollout-machine.ts'
import type { Transfers } from '../distribute/transfers.ts'
import { place } from '../place/place.ts'
import type { PlaceInput, Plan, PlannedInstance } from '../plan.ts'
import type { NodeRecord } from '../store/nodes.ts'
import { settingsFor } from '../store/settings.ts'
import { barredOf } from './bars.ts'
import { heldByBoard, isLateBoard } from './board-standing.ts'
import { fleetOf, type PlannedApp, usedBy } from './capacity.ts'
import type { GatewayDeps } from './deps.ts'
import { type HandedOver, handedOver, handOver, spotOf } from './handover.ts'
import { holdingsOf, type PatchRefusals } from './holdings.ts'
import { keptTraffic } from './measured.ts'
import type { Releases, StoredRelease } from './releases.ts'
import { nodesOfReplacedSigner } from './replaced.ts'
import { asDirected, currentRollout, directs, lastCommit, type Rollout, supersede } from './rollout-record.ts'
import type { Secrets } from './secrets.ts'

/** What a replan reads and writes, beside the store. */
export interface Workshop extends Pick<GatewayDeps, 'store' | 'crypto' | 'clock' | 'signer' | 'root'> {
  readonly releases: Releases
  readonly transfers: Transfers
  readonly refusals: PatchRefusals
  readonly secrets: Secrets
  /** Whether a node is away and its leases have run out. */
  readonly lost: (node: string) => boolean
  /** Whether it was that, and is back only now: what comes and goes gets nothing that could be elsewhere. */
  readonly settles: (node: string) => boolean
}

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

/** Key of the highest epoch of any app that was removed: one that comes back under its name goes on above it. */
export const epochFloorKey = 'epoch floor'

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

/** All nodes, and which of them are away for longer than their leases. */
const nodesOf = ({ store, lost, settles }: Workshop): NodeRecord[] =>
  store.nodes.list().map((node) => {
    if (lost(node.id)) return { ...node, lost: true }
    return settles(node.id) ? { ...node, settles: true } : node
  })

/** Writes down that an operator has said which release is to run. The same word again is none. */
export function choose({ store, clock }: Workshop, { app, digest }: StoredRelease): void {
  const carried = store.epochs.carried().filter((each) => each.app === app)
  if (carried.length === 0 && store.apps.latestPlan(app)?.release === digest) return
  store.epochs.uncarry(app)
  // Above all that was chosen before, also by a clock that went ahead.
  const before = Math.max(store.epochs.of(app).chosen, ...carried.map(({ chosen }) => chosen))
  store.epochs.raise(app, { chosen: Math.max(clock.now(), before + 1) })
}

interface Placed extends PlannedApp {
  readonly before: Plan | null
  readonly epoch: number
  /** Null where nodes are told nothing else than the plan says. */
  readonly rollout: PlacedRollout | null
}

interface PlacedRollout {
  readonly next: StoredRelease
  /** The one whose modules the plan in force isn't named after. */
  readonly other: StoredRelease
  readonly direct: Omit<DirectRollout, 'next'>
  /** Where the release is to run: as it was begun, and for nodes that came since as today's plan says. */
  readonly plan: Plan
}

/** The apps one after another, the oldest first: what a younger one is given, the older ones have left. */
function placeAll(
  shop: Workshop,
  records: readonly NodeRecord[],
  wanted: StoredRelease | undefined,
): Map<string, Placed> {
  const apps = currentApps(shop, wanted)
  for (const [id, app] of apps) {
    const rollout = wanted?.app === id ? null : currentRollout(shop.store, id)
    const plan = placeBeside(shop, id, app.release, app.before, apps, records)
    apps.set(
      id,
      rollout !== null && directs(rollout)
        ? placeBoth({ ...app, plan }, asDirected(rollout), shop, apps, records)
        : { ...app, plan },
    )
  }
  return apps
}

/** The apps that have a plan, or are to have one; the oldest first. */
function currentApps(shop: Workshop, wanted: StoredRelease | undefined): Map<string, Placed> {
  const apps = new Map<string, Placed>()
  const order = shop.store.apps.list().sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
  for (const { id } of order) {
    const current = shop.store.apps.latestPlan(id)
    const rolledOut = current === null ? currentRollout(shop.store, id) : null
    const digest = current?.release ?? (rolledOut !== null && directs(rolledOut) ? rolledOut.value.release : null)
    const release = wanted?.app === id ? wanted : digest && shop.releases.byDigest(digest)
    if (!release) continue
    const before = current === null ? null : (current.json as Plan)
    const epoch = Math.max(
      current?.epoch ?? Number(shop.store.meta.get(epochFloorKey) ?? 0),
      shop.store.epochs.of(id).floor,
    )
    apps.set(id, { before, release, epoch, plan: before ?? emptyPlan(release), rollout: null })
  }
  return apps
}

/**
 * Between two releases: nodes of waves that were committed have what the rollout's plan says, those of later waves what the plan in force says, as they are. Nodes that came since have
 * the release that is in force where nothing is committed yet, else the new one.
 */
function placeBoth(
  app: Placed,
  { value }: Rollout,
  shop: Workshop,
  apps: ReadonlyMap<string, Placed>,
  records: readonly NodeRecord[],
): Placed {
  const release = shop.releases.byDigest(value.release)!
  const once = placedOnce([app.release.release, release.release])
  const committed = committedWave(value.state)
  const waves = new Map(value.waves.flatMap((nodes, wave) => nodes.map((node) => [node, wave] as const)))
  const today = placeBeside(shop, app.release.app, release, value.plan, apps, records)
  const isNew = ({ node }: PlannedInstance) => !waves.has(node)
  const plan = {
    ...value.plan,
    instances: once(
      value.plan.instances.filter((each) => !isNew(each)),
      today.instances.filter(isNew),
    ),
  }
  const through = committed >= value.waves.length - 1
  const stays = (app.before?.instances ?? []).filter(({ node }) => (waves.get(node) ?? -1) > committed)
  const flipped = plan.instances.filter(({ node }) => waves.has(node) && waves.get(node)! <= committed)
  const came = (committed >= 0 ? plan : app.before === null ? emptyPlan(release) : app.plan).instances.filter(isNew)
  const mixed = { ...(app.before === null || through ? plan : app.plan), instances: once(stays, flipped, came) }
  const { state } = value
  return {
    ...app,
    release: through ? release : app.release,
    plan: mixed,
    rollout: {
      next: release,
      other: through ? app.release : release,
      plan,
      direct: {
        epoch: value.epoch,
        waves,
        preparing: preparingWave(state),
        kept: new Set(value.back?.kept),
        committed,
        settled: state.at !== 'committed' || state.settled,
      },
    },
  }
}

/** What there is one of at a time is where the first of these has it: in the middle of a rollout nothing moves. [P 13.3] */
function placedOnce(releases: readonly Release[]) {
  const modules = handedOver(releases)
  return (...parts: (readonly PlannedInstance[])[]): PlannedInstance[] => {
    const spots = new Set<string>()
    return parts.flatMap((instances) => {
      const fresh = instances.filter((each) => !modules.has(each.module) || !spots.has(spotOf(each)))
      for (const each of fresh) spots.add(spotOf(each))
      return fresh
    })
  }
}

/** A release with the modules that only the other one has. */
function bothOf(first: Release, second: Release): Release {
  const names = new Set(first.modules.map(({ name }) => name))
  return { ...first, modules: [...first.modules, ...second.modules.filter(({ name }) => !names.has(name))] }
}

const placeBeside = (...parts: Parameters<typeof inputBeside>): Plan => place(inputBeside(...parts))

function inputBeside(
  { store }: Pick<Workshop, 'store'>,
  app: string,
  wanted: Pick<StoredRelease, 'release' | 'digest'>,
  before: Plan | null,
  apps: ReadonlyMap<string, Placed>,
  records: readonly NodeRecord[],
  replaced?: Release,
): PlaceInput {
  // What an app's first release is to have is taken, also while it runs nowhere yet.
  const others = [...apps].flatMap(([id, { before, plan, release, rollout }]): PlannedApp[] => {
    if (id === app) return []
    if (before !== null) return [{ plan, release }]
    return rollout === null ? [] : [{ plan: rollout.plan, release: rollout.next }]
  })
  const { release, digest } = wanted
  const counted = release.follow === 'measured' ? keptTraffic(store.meta, app, digest) : null
  return {
    release,
    digest,
    fleet: fleetOf(records, usedBy(others)),
    barred: barredOf(store, app, digest),
    ...(counted === null ? {} : { traffic: counted.traffic }),
    ...(before ? { previous: before } : {}),
    ...(replaced && before?.digest !== digest ? { replaced } : {}),
  }
}

/** Where a release would run beside the other apps as they are; changes nothing. */
export const tryPlace = (shop: Workshop, wanted: Pick<StoredRelease, 'release' | 'digest'>): Plan =>
  place(placeInput(shop, wanted))

/** All that the place of a release depends on today. */
export function placeInput(shop: Workshop, wanted: Pick<StoredRelease, 'release' | 'digest'>): PlaceInput {
  const records = nodesOf(shop)
  const apps = currentApps(shop, undefined)
  const { app } = wanted.release
  const current = apps.get(app)
  return inputBeside(shop, app, wanted, current?.before ?? null, apps, records, current?.release.release)
}

/** Of an app that was never placed. */
const emptyPlan = ({ app, number, digest }: StoredRelease): Plan => ({
  app,
  release: number,
  digest,
  instances: [],
  kinds: [],
  refusals: [],
  traffic: [],
  unplaced: [],
  complete: false,
})

function handOverAll(
  { store, clock }: Workshop,
  nodes: readonly NodeRecord[],
  apps: ReadonlyMap<string, Placed>,
): Map<string, HandedOver> {
  const records = new Map(nodes.map((node) => [node.id, node]))
  const now = clock.now()
  return new Map(
    [...apps].map(([app, { before, plan, release, rollout }]) => {
      const releases = [release.release, ...(rollout === null ? [] : [rollout.next.release, rollout.other.release])]
      return [app, handOver({ app, before, plan, releases, inRollout: rollout !== null }, { store, records, now })]
    }),
  )
}

function directAll(
  shop: Workshop,
  records: readonly NodeRecord[],
  apps: ReadonlyMap<string, Placed>,
  handed: ReadonlyMap<string, HandedOver>,
) {
  const given = shop.store.directives.list()
  const last = new Map(given.map((record) => [record.node, record.directive]))
  const anew = nodesOfReplacedSigner(given, shop.root().gateway, shop.crypto)
  // What a replaced key has signed proves nothing any more: whoever had it may have been a thief.
  for (const { node, app } of shop.store.epochs.carried()) if (anew.has(node)) shop.store.epochs.uncarry(app, node)
  const carried = Map.groupBy(shop.store.epochs.carried(), ({ node }) => node)
  const held = holdingsOf(records, shop.refusals)
  const boards = new Map(
    records.filter(({ tier }) => tier === 'mcu').map(({ id, inventory }) => [id, inventory?.storageBytes ?? 0]),
  )
  const directed = direct({
    fleet: shop.store.fleet,
    // A revoked one is told nothing more; what it was told last stays, so that versions go on above it.
    nodes: records
      .filter(({ revoked }) => revoked === null)
      .map(({ id, removedAt, inventory }) => ({
        id,
        removed: removedAt !== null,
        last: last.get(id) ?? null,
        installs: inventory?.updates ? { apps: inventory.updates, arch: inventory.arch } : null,
        signerReplaced: anew.has(id),
        carried: new Set(carried.get(id)?.map(({ app }) => app)),
        refusedPatches: shop.refusals.of(id),
        ...(boards.has(id) ? { late: isLateBoard(shop.store, id), held: heldByBoard(shop.store, id) } : {}),
      })),
    apps: [...apps].map(([id, app]) => toDirect(app, shop, handed.get(id)!)),
    settings: settingsOf(shop, records),
    transfer: (node, { digest }) =>
      boards.has(node)
        ? shop.transfers.transferForBoard(toHex(digest), [...held(node)], boards.get(node)!)
        : shop.transfers.transferFor(toHex(digest), () => held(node)),
    now: shop.clock.now(),
    lifetimeMs: directiveLifetimeMs,
  })
  return { ...directed, anew, held }
}

function toDirect({ plan, release, epoch, rollout }: Placed, { store }: Workshop, { holders }: HandedOver): DirectApp {
  const { chosen } = store.epochs.of(release.app)
  const part = (of: StoredRelease, plan: Plan) => ({
    plan,
    holders,
    release: of.release,
    digest: fromHex(of.digest),
    envelope: { digest: fromHex(of.envelope), size: of.envelopeBytes },
    chosenMs: chosen,
  })
  const committed = lastCommit(store, release.app)
  if (rollout === null) return { ...part(release, plan), epoch, committed }
  return {
    ...part(release, plan),
    epoch,
    committed,
    rollout: { ...rollout.direct, next: part(rollout.next, rollout.plan) },
  }
}

/** Secrets that a directive hands to its node. */
const secretsIn = ({ sections }: Directive): { app: string; key: string }[] =>
  sections.flatMap(({ app, instances }) =>
    instances.flatMap(({ config }) =>
      Object.entries(config).flatMap(([key, { kind }]) => (kind === 'sealed' ? [{ app, key }] : [])),
    ),
  )

/** Looks up what the operator set, with secrets sealed to the node that is to open them. */
function settingsOf({ store, secrets }: Workshop, records: readonly NodeRecord[]) {
  const boxKeys = new Map(records.map(({ id, boxKey }) => [id, boxKey]))
  const ofApp = new Map<string, ReturnType<typeof store.settings.list>>()
  return ({ app, module, node }: { app: string; module: string; node: string }): Record<string, Setting> => {
    const all = ofApp.get(app) ?? store.settings.list(app)
    ofApp.set(app, all)
    if (all.length === 0) return {}
    const entries = Object.entries(settingsFor(all, { module, node }))
    return Object.fromEntries(
      entries.map(([key, setting]) => [
        key,
        setting.kind === 'plain' ? setting : secrets.forNode(setting, boxKeys.get(node)!),
      ]),
    )
  }
}

/** What waits for an instance that is no more is dropped; where it has no place it waits on. */
function dropInputs({ store }: Workshop, before: Plan | null, after: Plan): void {
  const here = new Set([...after.instances, ...after.unplaced].map(spotOf))
  for (const { module, home, node } of before?.instances ?? []) {
    if (!here.has(spotOf({ module, home }))) store.inputs.drop({ node, app: after.app, module, home })
  }
}
