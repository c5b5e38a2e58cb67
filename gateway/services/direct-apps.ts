import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import type { Setting } from '@hypha/core/trust/directive.ts'
import { direct, directiveLifetimeMs } from '../direct/direct.ts'
import { type DirectApp, isResting } from '../direct/input.ts'
import type { Plan } from '../plan.ts'
import type { NodeRecord } from '../store/nodes.ts'
import { settingsFor } from '../store/settings.ts'
import { heldByBoard, isLateBoard } from './board-standing.ts'
import { type HandedOver, handOver } from './handover.ts'
import { holdingsOf } from './holdings.ts'
import type { Placed } from './place-apps.ts'
import type { StoredRelease } from './releases.ts'
import { nodesOfReplacedSigner } from './replaced.ts'
import { lastCommit } from './rollout-record.ts'
import type { Workshop } from './workshop.ts'

/** Who may have which instance of each app. */
export function handOverAll(
  { store, clock }: Workshop,
  nodes: readonly NodeRecord[],
  apps: ReadonlyMap<string, Placed>,
): Map<string, HandedOver> {
  const records = new Map(nodes.map((node) => [node.id, node]))
  const now = clock.now()
  return new Map(
    [...apps].map(([app, { before, plan, release, rollout }]) => {
      const releases = [release.release, ...(rollout === null ? [] : [rollout.next.release, rollout.other.release])]
      const resting = rollout !== null && isResting(rollout.direct)
      const on = { inRollout: rollout !== null, isResting: resting }
      return [app, handOver({ app, before, plan, releases, ...on }, { store, records, now })]
    }),
  )
}

/** What each node is to be told. */
export function directAll(
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
    records
      .filter(({ tier }) => tier === 'mcu')
      .map(({ id, inventory }) => [
        id,
        { slotBytes: inventory?.storageBytes ?? 0, memoryBytes: inventory?.memoryBytes ?? 0 },
      ]),
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
