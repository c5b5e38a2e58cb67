import type { PlaceInput } from '../plan.ts'
import { reachableFrom, rounded, whyNotOn } from './choose.ts'
import { costOn } from './cost.ts'
import { distance } from './distance.ts'
import { isDevice } from './fit.ts'
import { isBound } from './links.ts'
import type { Scene } from './scene.ts'
import { solve } from './solve.ts'

/**
 * Why a module isn't on a node, in sentences; why it is, where it is there. Of a device-scoped module it is the instance of `home`: by default the node's own, where the node is a device that has one, else of the first device.
 * Null if there is no such module or node.
 */
export function whyNot(input: PlaceInput, module: string, nodeId: string, home?: string): string[] | null {
  const { scene } = solve(input)
  const node = scene.nodes.get(nodeId)
  const links = scene.graph.modules.get(module)
  if (node === undefined || links === undefined) return null
  if (links.faults.length > 0) return links.faults.map(({ text }) => `No node can hold it: ${text}.`)
  const { scope, copied, why } = scene.scopes.get(module)!
  if (copied)
    return [
      `${module} keeps nothing of its own, so it is beside each of its callers: ask for ${links.importers.join(' or ')}.`,
    ]
  const whose = scope === 'device' ? (home ?? homeFor(module, nodeId, scene)) : null
  if (scope === 'device' && whose === null)
    return [`${module} has no instance: ${why.join('; ')}, and no device is a home of it.`]
  return [...about(module, whose, scene), ...verdict(module, whose, nodeId, scene)]
}

function homeFor(module: string, nodeId: string, scene: Scene): string | null {
  const isHome = (node: string) => scene.homes.ofKind[scene.kinds.of(node).index]!.includes(module)
  if (isHome(nodeId)) return nodeId
  return scene.fleet.find(({ id }) => isHome(id))?.id ?? null
}

const nameOf = (module: string, home: string | null): string => (home === null ? module : `${module} of ${home}`)

function about(module: string, home: string | null, scene: Scene): string[] {
  const spot = scene.spots.get(home)?.get(module)
  if (spot === undefined) return [`${nameOf(module, home)} has no place.`]
  return [
    `${nameOf(module, home)} is on ${spot.node.id}, where its links cost ${rounded(spot.cost)}: ${spot.why.join('; ')}.`,
  ]
}

function verdict(module: string, home: string | null, nodeId: string, scene: Scene): string[] {
  const node = scene.nodes.get(nodeId)!
  const spot = scene.spots.get(home)?.get(module)
  if (spot?.node === node) return []
  if (home !== null && !scene.nodes.has(home)) return [`${home} is not in the fleet.`]
  const reachable = home === null ? scene.fleet : reachableFrom(module, home, scene)
  if (!reachable.includes(node)) {
    const where = reachable.filter(isDevice).map(({ id }) => id)
    if (isBound(scene.graph.modules.get(module)!))
      return [`It is bound to ${home}, and runs only on ${where.join(' or ')}.`]
    return [
      `It belongs to ${home}: it runs on ${where.join(' or ')}, or on a tier above, and ${nodeId} is another device.`,
    ]
  }
  const reasons = whyNotOn(module, home, node, scene)
  if (reasons.length > 0) return [`${nodeId} can't hold it: ${reasons.map(({ text }) => text).join('; ')}.`]
  if (spot === undefined) return [`${nodeId} could hold it, but what it calls has no place.`]
  if (home === null && isDevice(node) && !isDevice(spot.node))
    return [`${nodeId} could hold it, but what is shared takes nothing from devices while another node can hold it.`]
  const cost = costOn(module, home, node, scene)
  return [
    `${nodeId} could hold it: its links would cost ${rounded(cost)} there, ${tail(cost, spot.cost)}.`,
    ...partners(module, home, nodeId, scene),
  ]
}

const tail = (there: number, here: number): string =>
  there === here
    ? 'as much as where it is'
    : there > here
      ? `${rounded(there - here)} more`
      : 'less, before what was placed after it'

/** What it calls and what calls it, and how far that would be. */
function partners(module: string, home: string | null, nodeId: string, scene: Scene): string[] {
  const node = scene.nodes.get(nodeId)!
  const far = scene.flows.ties.get(module)!.flatMap(({ other, outward, kind, weight }) => {
    const at = scene.positions.at(other, home) ?? scene.positions.at(other, null)
    if (at === undefined || at === node) return []
    const what = kind === 'call' ? (outward ? 'calls' : 'is called by') : outward ? 'is heard by' : 'hears'
    return [`it ${what} ${other} on ${at.id}, ${distance(at, node)} steps away, ${rounded(weight)}/s`]
  })
  return far.length === 0 ? [] : [`There ${far.join('; ')}.`]
}
