import type { Release } from '@hypha/core/trust/release.ts'
import { type DirectRollout, isResting } from '../direct/input.ts'
import { committedWave, preparingWave } from '../distribute/rollout-machine.ts'
import { place } from '../place/place.ts'
import type { Barred, PlaceInput, Plan, PlannedInstance } from '../plan.ts'
import type { NodeRecord } from '../store/nodes.ts'
import { barredOf } from './bars.ts'
import { fleetOf, type PlannedApp, usedBy } from './capacity.ts'
import { handedOver, spotOf } from './handover.ts'
import { keptTraffic } from './measured.ts'
import { placeOrphans } from './place-orphans.ts'
import type { StoredRelease } from './releases.ts'
import { asDirected, currentRollout, directs, type Rollout } from './rollout-record.ts'
import { epochFloorKey, nodesOf, type Workshop } from './workshop.ts'

type Lost = NodeRecord & { readonly lost?: boolean }

/** An app with the plan that is to be in force. */
export interface Placed extends PlannedApp {
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
  /** The plan of its record, where instances of nodes that are lost have other places from now on; else null. */
  readonly revised: Plan | null
}

/** The apps one after another, the oldest first: what a younger one is given, the older ones have left. */
export function placeAll(
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
  const { state } = value
  const direct = {
    epoch: value.epoch,
    since: value.since ?? value.epoch,
    waves,
    preparing: preparingWave(state),
    kept: new Set(value.back?.kept),
    committed,
    settled: state.at !== 'committed' || state.settled,
  }
  const through = committed >= value.waves.length - 1
  const stays = (app.before?.instances ?? []).filter(({ node }) => (waves.get(node) ?? -1) > committed)
  const hasFlipped = (node: string) => (waves.get(node) ?? -1) <= committed
  const lost = new Set(records.flatMap((record: Lost) => (record.lost ? [record.id] : [])))
  const rehomed =
    isResting(direct) && lost.size > 0
      ? placeOrphans({
          old: stays,
          next: once(value.plan.instances, today.instances.filter(isNew)).filter(({ node }) => hasFlipped(node)),
          plan: value.plan,
          nodes: records.map(({ id }) => id),
          lost,
          hasFlipped,
          place: (which, barred) =>
            which === 'old'
              ? placeBeside(shop, app.release.app, app.release, app.before, apps, records, undefined, barred)
              : placeBeside(shop, app.release.app, release, value.plan, apps, records, undefined, barred),
        })
      : null
  const begun = rehomed?.plan ?? value.plan
  const plan = {
    ...begun,
    instances: once(
      begun.instances.filter((each) => !isNew(each)),
      rehomed?.next.filter(isNew) ?? [],
      today.instances.filter(isNew),
    ),
  }
  const flipped = plan.instances.filter(({ node }) => waves.has(node) && waves.get(node)! <= committed)
  const came = (committed >= 0 ? plan : app.before === null ? emptyPlan(release) : app.plan).instances.filter(isNew)
  const instances = once(rehomed?.old ?? stays, flipped, came)
  return {
    ...app,
    release: through ? release : app.release,
    plan: { ...(app.before === null || through ? plan : app.plan), instances },
    rollout: {
      next: release,
      other: through ? app.release : release,
      plan,
      revised: rehomed?.plan ?? null,
      direct,
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

const placeBeside = (...parts: Parameters<typeof inputBeside>): Plan => place(inputBeside(...parts))

function inputBeside(
  { store }: Pick<Workshop, 'store'>,
  app: string,
  wanted: Pick<StoredRelease, 'release' | 'digest'>,
  before: Plan | null,
  apps: ReadonlyMap<string, Placed>,
  records: readonly NodeRecord[],
  replaced?: Release,
  barred: readonly Barred[] = [],
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
    barred: [...barredOf(store, app, digest), ...barred],
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
