import { wavesOf } from '../distribute/waves.ts'
import { brokenLinks, flipTogether } from '../place/breaks.ts'
import type { Plan } from '../plan.ts'
import type { Store } from '../store/store.ts'
import type { RolloutRecord } from './rollout-record.ts'
import { epochFloorKey, type Workshop } from './workshop.ts'

interface WavesAsked {
  readonly app: string
  readonly policy: RolloutRecord['policy']
  readonly plan: Plan
  /** Whether a node counts as being there. */
  readonly isThere: (node: string) => boolean
}

/** The waves in which today's nodes come from the plan in force to another. */
export function drawWaves({ store, releases }: Pick<Workshop, 'store' | 'releases'>, asked: WavesAsked): string[][] {
  const { app, policy, plan, isThere } = asked
  const before = (store.apps.latestPlan(app)?.json as Plan | undefined) ?? null
  const concerned = new Set([...(before?.instances ?? []), ...plan.instances].map(({ node }) => node))
  const nodes = store.nodes
    .list()
    .filter(({ id, removedAt, revoked }) => concerned.has(id) && removedAt === null && revoked === null)
    .map(({ id, labels, inventory }) => ({
      id,
      online: isThere(id),
      labels: [...labels, ...(inventory?.labels ?? [])],
    }))
  const [from, to] = [before && releases.byDigest(before.digest), releases.byDigest(plan.digest)]
  const broken = from && to ? brokenLinks(from.release, to.release) : []
  const together = flipTogether(broken, before === null ? [plan] : [before, plan])
  return wavesOf({ nodes, before, after: plan, rules: policy.waves, snap: policy.snap, together })
}

/** Above every epoch that the app has had; it is spent from now on, whatever comes of it. */
export function nextEpoch(store: Store, app: string): number {
  const known = store.apps.latestPlan(app)?.epoch ?? Number(store.meta.get(epochFloorKey) ?? 0)
  const epoch = Math.max(known, store.epochs.of(app).floor) + 1
  store.epochs.raise(app, { floor: epoch })
  return epoch
}
