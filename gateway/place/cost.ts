import type { FleetNode } from '../plan.ts'
import { apart, distance, distanceFromSite } from './distance.ts'
import { isDevice } from './fit.ts'
import type { Tie } from './flows.ts'
import type { Estimate, Scene } from './scene.ts'

/**
 * What an instance costs on a node: its distance from its home or its site, and for each module that it exchanges calls or messages with the distance to that one's instances, times what flows a second. What is
 * called and has no place yet is taken to be where it is nearest.
 */
export function costOn(module: string, home: string | null, node: FleetNode, scene: Scene): number {
  let cost = home === null ? distanceFromSite(node) : distance(scene.nodes.get(home)!, node)
  for (const tie of scene.flows.ties.get(module)!) cost += tie.weight * stepsOf(tie, module, home, node, scene)
  return cost
}

function stepsOf(tie: Tie, module: string, home: string | null, node: FleetNode, scene: Scene): number {
  const { other } = tie
  const { scope, copied } = scene.scopes.get(other)!
  if (copied) {
    // Beside its caller, but where it has a place of its own.
    const at = scene.positions.at(other, home)
    if (at !== undefined) return distance(at, node)
    return tie.outward && !scene.kinds.holds(other, scene.kinds.of(node.id)) ? nearest(other, node, scene) : 0
  }
  if (scope !== 'device') {
    const at = scene.positions.at(other, null)
    // A call waits for its way, a message doesn't: where it goes to what has no place yet, it draws nobody off.
    const unknown = tie.kind === 'call' ? nearest(other, node, scene) : 0
    const steps = at === undefined ? unknown : distance(at, node)
    // A shared caller spreads its calls over the devices; what it publishes, each of them hears.
    return home === null || tie.outward || tie.kind === 'message' ? steps : steps / (scene.homes.count.get(module) ?? 1)
  }
  if (home !== null) {
    const at = scene.positions.at(other, home)
    return at === undefined ? towardsHome(other, home, node, scene) : distance(at, node)
  }
  const spread = scene.positions.spread(other)
  if (spread === undefined) return 0
  return tie.outward && tie.kind === 'call' ? spread.distanceFrom(node) / spread.count : spread.distanceFrom(node)
}

/** Of the same device and not placed yet: at home if it fits there, else it will come near. */
function towardsHome(other: string, home: string, node: FleetNode, scene: Scene): number {
  const kind = scene.kinds.of(home)
  if (!scene.homes.ofKind[kind.index]!.includes(other) || !scene.kinds.holds(other, kind)) return 0
  return distance(scene.nodes.get(home)!, node)
}

/** How far it is to the nearest node that can hold a module; what is shared takes nothing from devices while another node can. 0 where none can. */
function nearest(module: string, node: FleetNode, scene: Scene): number {
  const { kinds, estimates } = scene
  const here = kinds.of(node.id)
  const known = estimates.get(module) ?? { from: holdersOf(module, scene), steps: [] }
  estimates.set(module, known)
  known.steps[here.index] ??= known.from.kinds.has(here)
    ? 0
    : known.from.points.reduce((least, point) => Math.min(least, apart(point, here.sample)), maxSteps)
  const steps = known.steps[here.index]!
  return steps === maxSteps ? 0 : steps
}

/** Above every distance. */
const maxSteps = 1_000_000

/** Where a module could be; of kinds in the same place one point. */
function holdersOf(module: string, { kinds, positions }: Scene): Estimate['from'] {
  const holding = kinds.all.filter((kind) => kinds.holds(module, kind) && kind.sample.online)
  const upper = holding.filter(({ sample }) => !isDevice(sample))
  const from = upper.length > 0 ? upper : holding
  return {
    kinds: new Set(from),
    points: [...new Map(from.map(({ sample }) => [positions.placeKey(sample), sample])).values()],
  }
}
