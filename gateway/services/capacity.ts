import { bareName } from '@hypha/core/wasm/versions.ts'
import type { CapacityUse, FleetNode, Plan } from '../plan.ts'
import type { NodeRecord } from '../store/nodes.ts'
import type { StoredRelease } from './releases.ts'

export interface PlannedApp {
  readonly plan: Plan
  readonly release: StoredRelease
}

/** What apps have on each node: their instances' memory, and each artifact's and store's room. */
export function usedBy(apps: Iterable<PlannedApp>): ReadonlyMap<string, CapacityUse> {
  const used = new Map<string, CapacityUse>()
  for (const { plan, release } of apps) {
    const modules = new Map(release.release.modules.map((module) => [module.name, module]))
    const seen = new Set<string>()
    for (const { node, module: name, memoryBytes, form } of plan.instances) {
      // In the middle of a rollout some nodes run what the other release has.
      const module = modules.get(name)
      if (module === undefined) continue
      const before = used.get(node) ?? { memoryBytes: 0, storageBytes: 0, apps: 0 }
      const artifact = form === 'core' ? (module.core ?? module.component) : module.component
      const keeps = module.world.imports.some((item) => bareName(item.name) === 'hypha:host/kv')
      used.set(node, {
        memoryBytes: before.memoryBytes + memoryBytes,
        storageBytes: before.storageBytes + artifact.size + (keeps ? module.spec.limits.kvBytes : 0),
        apps: before.apps + (seen.has(node) ? 0 : 1),
      })
      seen.add(node)
    }
  }
  return used
}

/** Nodes as placement sees them; those that are to leave or were revoked are none any more. */
export function fleetOf(
  records: readonly (NodeRecord & { readonly lost?: boolean; readonly settles?: boolean })[],
  used: ReadonlyMap<string, CapacityUse>,
): FleetNode[] {
  const boards = Map.groupBy(records, ({ parent }) => parent)
  return records
    .filter(({ removedAt, revoked }) => removedAt === null && revoked === null)
    .map(({ id, tier, presence, inventory, labels, zone, parent, lost, settles }) => ({
      id,
      tier,
      online: presence?.online === true,
      ...(lost || settles ? { lost: true } : {}),
      inventory,
      labels,
      zone,
      used: used.get(id) ?? { memoryBytes: 0, storageBytes: 0, apps: 0 },
      parent,
      ...forBoards(boards.get(id)),
    }))
}

const servedByAgents: readonly string[] = ['hypha:host/sensor', 'hypha:host/actuator']

/** What a node's agent serves of its boards, for modules that were too large for them. */
function forBoards(boards: readonly NodeRecord[] = []): Pick<FleetNode, 'forBoards'> {
  const own = boards.flatMap(({ inventory }) => inventory?.interfaces ?? [])
  const served = [...new Set(own.filter((name) => servedByAgents.includes(bareName(name))))].sort()
  return served.length === 0 ? {} : { forBoards: served }
}
