import type { MeasuredTraffic, PlaceInput, Plan } from '../plan.ts'
import { place } from './place.ts'
import { linkCostOf, planChanges } from './what-if.ts'

/** A placement that is cheaper by less is not worth the move. */
export const worthwhile = 0.8

export interface MeasuredChange {
  readonly traffic: readonly MeasuredTraffic[]
  readonly costBefore: number
  readonly costAfter: number
}

/**
 * The traffic to place an app by from now on, where its links would cost at least a fifth less by it; null where nothing is worth a move. A link that was counted before and isn't now has come to be within a
 * cell, where nobody counts: it is taken to carry what it did, else what is near would be placed apart again.
 */
export function worthFollowing(input: PlaceInput, counted: readonly MeasuredTraffic[]): MeasuredChange | null {
  if (counted.length === 0) return null
  const traffic = mergeTraffic(input.traffic ?? [], counted)
  const before = place(input)
  const after = place({ ...input, traffic })
  if (!after.complete || planChanges(before, after).length === 0) return null
  const cost = (plan: Plan) => linkCostOf(plan, after.traffic)
  const change = { traffic, costBefore: cost(before), costAfter: cost(after) }
  return change.costAfter <= change.costBefore * worthwhile ? change : null
}

/** What was counted last of each link. */
function mergeTraffic(before: readonly MeasuredTraffic[], counted: readonly MeasuredTraffic[]): MeasuredTraffic[] {
  const links = new Map([...before, ...counted].map((each) => [`${each.caller} ${each.interface}`, each]))
  return [...links].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each)
}
