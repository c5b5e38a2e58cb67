import type { RolloutPolicy } from '@hypha/core/trust/release.ts'
import type { InstanceState } from '@hypha/core/wire/messages/state.ts'

/** What is known of an app on one node since it flipped. */
export interface NodeObservation {
  readonly node: string
  /** As the node reports them of the new epoch. */
  readonly instances: readonly Pick<InstanceState, 'module' | 'home' | 'status' | 'restarts' | 'error'>[]
  readonly missedTicks: readonly { readonly module: string; readonly home: string | null; readonly count: number }[]
  /** The last value of each metric. */
  readonly values: readonly {
    readonly module: string
    readonly home: string | null
    readonly metric: string
    /** NaN where the module emitted that. */
    readonly value: number
  }[]
}

export interface Observation {
  readonly nodes: readonly NodeObservation[]
}

/** A tick or two may be missed by the flip itself, where the timer's period is as short as the pause. */
const missedTicksAllowed = 2

/** What trapped is tried once more: a turn may overrun its deadline because its machine was busy with the flip. */
const trapsAllowed = 1

const maxTold = 3

/**
 * Whether an app is well since its flip: nothing has failed or trapped again, ticks come, and every metric that the author watches is within its bounds. Null where it is; a sentence where more than
 * `failurePercent` of the nodes are ill.
 */
export function judgeHealth(
  bounds: RolloutPolicy['health'],
  { nodes }: Observation,
  failurePercent = 0,
): string | null {
  const ill = nodes.flatMap((node) => {
    const complaint = complaintOf(bounds, node)
    return complaint === null ? [] : [complaint]
  })
  if (ill.length === 0 || ill.length * 100 <= failurePercent * nodes.length) return null
  const more = ill.length - maxTold
  return `${ill.slice(0, maxTold).join('; ')}${more > 0 ? `; and ${more} more nodes are ill` : ''}`
}

/** The worst of a node, in words. */
function complaintOf(bounds: RolloutPolicy['health'], observed: NodeObservation): string | null {
  const { node, instances, missedTicks, values } = observed
  const where = (module: string, home: string | null) =>
    home === null || home === node ? `${module} on ${node}` : `${module} of ${home} on ${node}`
  for (const { module, home, status, restarts, error } of instances) {
    const because = error === null ? '' : ` (${error})`
    if (status === 'failed') return `${where(module, home)} has failed${because}`
    const traps = restarts + (status === 'backoff' ? 1 : 0)
    if (traps > trapsAllowed) return `${where(module, home)} trapped ${traps} times since the flip${because}`
  }
  for (const { module, home, count } of missedTicks) {
    if (count > missedTicksAllowed) return `${where(module, home)} missed ${count} ticks since the flip`
  }
  for (const { module, metric, min, max } of bounds) {
    for (const { home, value } of values.filter((each) => each.module === module && each.metric === metric)) {
      const name = `${module}.${where(metric, home)}`
      if (Number.isNaN(value)) return `${name} is no number`
      if (min !== null && value < min) return `${name} is ${value}, below ${min}`
      if (max !== null && value > max) return `${name} is ${value}, above ${max}`
    }
  }
  return null
}
