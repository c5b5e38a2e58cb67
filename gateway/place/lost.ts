import type { FleetNode, Reason } from '../plan.ts'
import type { Scene } from './scene.ts'
import { spotKey } from './spot-key.ts'

/** Whether an instance on a node could as well be on another: then it runs there under a lease, and doesn't wait for a node that is lost. */
export function isLeased(module: string, home: string | null, node: FleetNode, scene: Scene): boolean {
  const { graph, nodes, scopes } = scene
  if (scopes.get(module)!.copied || graph.modules.get(module)!.module.spec.offline === 'keep') return false
  if (home === null) return true
  // On its own device, or on the one that its board is attached to, nobody else can run it.
  return node.id !== home && node.id !== nodes.get(home)?.parent
}

/** Whether an instance isn't kept for a node any more, nor comes back to it yet. */
export function isGivenUp(module: string, home: string | null, node: FleetNode, scene: Scene): boolean {
  if (node.lost !== true) return false
  const was = scene.previous.get(spotKey(module, home))
  // One that is back goes on with what is there still, and takes what has no place.
  if (node.online && (was === undefined || was === node.id)) return false
  return isLeased(module, home, node, scene) || scene.scopes.get(module)!.copied
}

export const lostNode = ({ id, online }: FleetNode): Reason => ({
  code: 'node-lost',
  text: online ? `${id} is back only now, after its lease had run out` : `${id} is away and its lease has run out`,
})

/** Where nothing else can hold it, an instance waits for the node that it was on, with all that waits for it; null where that could not hold it either. */
export function awaited(module: string, home: string | null, was: string | undefined, scene: Scene) {
  const node = was === undefined ? undefined : scene.nodes.get(was)
  if (node === undefined || !isGivenUp(module, home, node, scene)) return null
  if (!scene.kinds.holds(module, scene.kinds.of(node.id)) || scene.bars.keep(module, home, node)) return null
  if (!scene.ledger.hasRoom(module, home, node)) return null
  const why = [`${lostNode(node).text}, but nothing else can hold it: it waits for ${node.id}`]
  return { node, cost: 0, why }
}
