import type { PlannedInstance, PlannedLink } from '../plan.ts'
import { distance } from './distance.ts'
import { weightKey } from './flows.ts'
import { compare } from './links.ts'
import { isLeased } from './lost.ts'
import type { Scene, Spot } from './scene.ts'
import { maxDevices, providerOf } from './unserved.ts'

/** The instances of a plan, sorted by module, home and node. */
export function instancesOf(scene: Scene): PlannedInstance[] {
  const homes = [...scene.spots.keys()].sort((a, b) => compare(a ?? '', b ?? ''))
  const byModule = new Map<string, PlannedInstance[]>([...scene.graph.modules.keys()].map((name) => [name, []]))
  const copies = new Map<string, { readonly spot: Spot; readonly name: string; readonly callers: Set<string> }>()
  const reasons = new Map<readonly string[], Map<string, readonly string[]>>()
  for (const home of homes) {
    for (const spot of scene.spots.get(home)!.values()) {
      byModule.get(spot.module)!.push(instanceOf(spot.module, spot, whyOf(spot, scene, reasons), scene))
      for (const name of spot.beside) {
        const key = `${name}@${home ?? ''}@${spot.node.id}`
        const copy = copies.get(key) ?? { spot, name, callers: new Set<string>() }
        copies.set(key, copy)
        const { importers } = scene.graph.modules.get(name)!
        for (const caller of [spot.module, ...spot.beside]) if (importers.includes(caller)) copy.callers.add(caller)
      }
    }
  }
  for (const { spot, name, callers } of copies.values()) {
    const text = `copied beside ${[...callers].sort(compare).join(', ')}, because it keeps nothing of its own`
    byModule.get(name)!.push({ ...instanceOf(name, spot, [text], scene), cost: 0 })
  }
  return [...byModule].flatMap(([name, instances]) =>
    scene.scopes.get(name)!.copied ? instances.sort(byHomeAndNode) : instances,
  )
}

const byHomeAndNode = (a: PlannedInstance, b: PlannedInstance): number =>
  compare(a.home ?? '', b.home ?? '') || compare(a.node, b.node)

/** Instances that are where they are for the same reasons share the list of them. */
function whyOf(
  { module, why }: Spot,
  { scopes }: Scene,
  known: Map<readonly string[], Map<string, readonly string[]>>,
): readonly string[] {
  const ofModule = known.get(why) ?? new Map<string, readonly string[]>()
  known.set(why, ofModule)
  const all = ofModule.get(module) ?? [...scopes.get(module)!.why, ...why]
  ofModule.set(module, all)
  return all
}

function instanceOf(name: string, spot: Spot, why: readonly string[], scene: Scene): PlannedInstance {
  const { home, node, cost, despite } = spot
  const kind = scene.kinds.of(node.id)
  return {
    module: name,
    home,
    node: node.id,
    scope: home === null ? scene.scopes.get(name)!.scope : 'device',
    form: scene.kinds.form(name, kind)!,
    ...(isLeased(name, home, node, scene) ? { leased: true as const } : {}),
    cost,
    memoryBytes: scene.kinds.need(name, kind).memoryBytes,
    why,
    ...(despite === undefined || name !== spot.module ? {} : { despite }),
    links: linksOf(name, spot, scene),
  }
}

function linksOf(name: string, spot: Spot, scene: Scene): readonly PlannedLink[] {
  const links = scene.links.get(name)!
  if (scene.graph.modules.get(name)!.calls.length === 0) return links as readonly PlannedLink[]
  return links.map((link): PlannedLink => {
    if (!('callee' in link)) return link
    const provider = providerOf(link.callee, spot, scene)!
    const steps = stepsTo(provider, spot, scene)
    if (steps === 0) return { interface: link.interface, provider }
    const cost = scene.flows.weights.get(weightKey(name, link.interface))! * steps
    return cost === 0 ? { interface: link.interface, provider } : { interface: link.interface, provider, cost }
  })
}

/** Of a link to whichever device is meant, on average. */
function stepsTo(provider: PlannedLink['provider'], { node }: Spot, { nodes, positions }: Scene): number {
  if (provider.kind === 'host') return 0
  if (provider.kind === 'instance') return provider.node === node.id ? 0 : distance(node, nodes.get(provider.node)!)
  const spread = positions.spread(provider.module)
  return spread === undefined || spread.count > maxDevices ? 0 : spread.distanceFrom(node) / spread.count
}
