import { beforePreparing } from '../distribute/rollout-again.ts'
import type { Plan } from '../plan.ts'
import type { GatewayDeps } from './deps.ts'
import type { Planner } from './planner.ts'
import { replan } from './replan.ts'
import { advanced, currentRollout } from './rollout-record.ts'

/**
 * A node is lost in the middle of rollouts. Where a wave prepares, what ran under a lease on that node would wait for its commit: such a rollout is taken back to before it began to prepare the wave, so that what was lost is
 * placed as the fleet is now, and then prepares again. [P 12.5]
 */
export function takeBackFrom(
  node: string,
  { store, nowMs }: Pick<GatewayDeps, 'store' | 'nowMs'>,
  planner: Planner,
): void {
  for (const { app } of store.rollouts.current()) {
    const current = currentRollout(store, app)
    if (current === null) continue
    const state = beforePreparing(current.value.state, nowMs())
    const inForce = store.apps.latestPlan(app)?.json as Plan | undefined
    if (state === null || !(leasesOn(node, inForce) || leasesOn(node, current.value.plan))) continue
    const text = `${node} is lost: what ran there under a lease is placed elsewhere, and the release is prepared again`
    planner.change(() => {
      store.rollouts.put(advanced(current, state, [text], nowMs()))
      return replan(planner.shop)
    })
  }
}

const leasesOn = (node: string, plan: Plan | undefined): boolean =>
  plan?.instances.some((each) => each.node === node && each.leased) === true
