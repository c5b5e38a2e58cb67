import type {
  FleetNode,
  ModuleVerdicts,
  PlaceInput,
  Plan,
  PlannedInstance,
  PlannedLink,
  Reason,
  Unplaced,
} from '../plan.ts'
import { type Choice, choose, type Placed, type Scene } from './choose.ts'
import { formOn, isDevice, needOf, refusalsOf } from './fit.ts'
import { Ledger } from './ledger.ts'
import { compare, isDeviceBound, linkGraph } from './links.ts'
import { decideScopes } from './scope.ts'
import { makeUnits, rootsCalled, type Unit } from './units.ts'

/**
 * Places a release on today's fleet. First each module's scope, which is meaning; then for every instance the nodes that can hold it, hard limits first; and of these the
 * one whose links are shortest. The same input in any order gives the same plan. It never throws: what can't be placed stands in the plan with its reasons.
 */
export function place(input: PlaceInput): Plan {
  const scene = makeScene(input)
  const faulty = [...scene.graph.modules].filter(([, links]) => links.faults.length > 0)
  if (faulty.length > 0) {
    const unplaced = faulty.map(([module, { faults }]) => ({ module, home: null, reasons: faults }))
    return finish(input, scene, [], unplaced)
  }
  const { units, homeless } = makeUnits(scene.graph, scene.scopes, scene.fleet)
  const unplaced: Unplaced[] = homeless.map((module) => ({ module, home: null, reasons: [noHome(scene, module)] }))
  for (const unit of inOrder(units, scene)) {
    const choice = choose(unit, scene)
    if (choice.node === null) unplaced.push(...unit.modules.map((module) => notPlaced(module, unit, choice, scene)))
    else {
      scene.ledger.take(unit, choice.node)
      const beside = scene.placed.get(unit.home) ?? []
      scene.placed.set(unit.home, [...beside, { unit, node: choice.node, cost: choice.cost, why: choice.why }])
    }
  }
  unplaced.push(...dropRemote(scene))
  return finish(input, scene, instancesOf(scene), unplaced)
}

function makeScene({ release, fleet, previous }: PlaceInput): Scene {
  const graph = linkGraph(release)
  const nodes = [...fleet].sort((a, b) => compare(a.id, b.id))
  return {
    graph,
    scopes: decideScopes(graph),
    fleet: nodes,
    upper: nodes.filter((node) => !isDevice(node)),
    nodes: new Map(nodes.map((node) => [node.id, node])),
    refusals: new Map(
      [...graph.modules].map(([name, links]) => [
        name,
        new Map(nodes.map((node) => [node.id, refusalsOf(links, node)])),
      ]),
    ),
    previous: new Map((previous?.instances ?? []).map(({ module, home, node }) => [`${module}@${home ?? ''}`, node])),
    ledger: new Ledger(graph),
    placed: new Map(),
    crowded: new Map(),
  }
}

/** Device-scoped units first, home by home; everywhere those first that the fewest nodes can hold and, of these, that need the most. */
function inOrder(units: readonly Unit[], scene: Scene): Unit[] {
  // The units of one cluster share their list of modules: what is said of it is computed once, not once for each device.
  const ranks = new Map<readonly string[], { choices: number; memory: number }>()
  for (const { modules } of units) if (!ranks.has(modules)) ranks.set(modules, rankOf(modules, scene))
  return [...units].sort((a, b) => {
    if (a.home !== b.home) return a.home === null ? 1 : b.home === null ? -1 : compare(a.home, b.home)
    const [left, right] = [ranks.get(a.modules)!, ranks.get(b.modules)!]
    return left.choices - right.choices || right.memory - left.memory || compare(a.modules[0]!, b.modules[0]!)
  })
}

function rankOf(modules: readonly string[], { fleet, refusals, graph }: Scene): { choices: number; memory: number } {
  const holds = (node: FleetNode) => modules.every((name) => refusals.get(name)!.get(node.id)!.length === 0)
  const memory = (name: string) => graph.modules.get(name)!.module.spec.limits.memoryBytes
  return { choices: fleet.filter(holds).length, memory: modules.reduce((sum, name) => sum + memory(name), 0) }
}

function noHome({ graph, fleet }: Scene, module: string): Reason {
  const { host, module: spec } = graph.modules.get(module)!
  const bound = host.filter(isDeviceBound)
  const labels = spec.spec.requires.length === 0 ? '' : ` and carries ${spec.spec.requires.join(', ')}`
  const devices = fleet.filter(isDevice).length
  const text =
    bound.length === 0
      ? 'belongs to the devices of its callers, and these have none'
      : `imports ${bound.join(' and ')}, and of ${devices} devices in the fleet none provides it${labels}`
  return { code: 'no-home', text }
}

function notPlaced(module: string, unit: Unit, choice: Choice, scene: Scene): Unplaced {
  const reasons = [...choice.refused].flatMap(([, byModule]) => byModule.get(module) ?? [])
  if (reasons.length > 0) return { module, home: unit.home, reasons }
  const others = unit.modules.filter((name) => name !== module)
  const text =
    scene.fleet.length === 0
      ? 'the fleet has no node'
      : `must be on one node with ${others.join(', ')}, and no node can hold them together`
  return { module, home: unit.home, reasons: [{ code: 'no-node', text }] }
}

/** A call that would have to cross nodes takes its caller out of the plan, and then whoever calls that one. */
function dropRemote(scene: Scene): Unplaced[] {
  const dropped: Unplaced[] = []
  for (let before = -1; before !== dropped.length; ) {
    before = dropped.length
    for (const [home, placed] of scene.placed) {
      const staying = placed.filter((item) => {
        const reasons = remoteCalls(item, scene)
        const together: Reason = { code: 'no-node', text: `must be on one node with ${[...reasons.keys()].join(', ')}` }
        if (reasons.size === 0) return true
        for (const module of item.unit.modules)
          dropped.push({ module, home, reasons: reasons.get(module) ?? [together] })
        return false
      })
      scene.placed.set(home, staying)
    }
  }
  return dropped
}

function remoteCalls({ unit, node }: Placed, scene: Scene): Map<string, Reason[]> {
  const found = new Map<string, Reason[]>()
  for (const module of unit.modules) {
    const reasons: Reason[] = []
    for (const callee of rootsCalled(module, scene.graph, scene.scopes)) {
      if (unit.modules.includes(callee)) continue
      const shared = scene.placed.get(null)?.find((other) => other.unit.modules.includes(callee))
      if (shared?.node.id === node.id) continue
      const owned = scene.scopes.get(callee)!.scope === 'device'
      const at = owned ? 'each device has for itself' : shared ? `is on ${shared.node.id}` : 'has no place'
      const text = `on ${node.id} it would call ${callee}, which ${at}; links between nodes are not served yet`
      reasons.push({ code: 'remote-link-unsupported', text })
    }
    if (reasons.length > 0) found.set(module, reasons)
  }
  return found
}

function instancesOf(scene: Scene): PlannedInstance[] {
  const instances = new Map<string, PlannedInstance>()
  for (const placed of [...scene.placed.values()].flat()) {
    for (const module of placed.unit.modules) {
      const key = `${module}@${placed.unit.home ?? ''}@${placed.node.id}`
      if (!instances.has(key)) instances.set(key, instanceOf(module, placed, scene))
    }
  }
  return [...instances.values()].sort(
    (a, b) => compare(a.module, b.module) || compare(a.home ?? '', b.home ?? '') || compare(a.node, b.node),
  )
}

function instanceOf(name: string, { unit, node, cost, why }: Placed, scene: Scene): PlannedInstance {
  const { module } = scene.graph.modules.get(name)!
  const callers = unit.copies.get(name)
  const scope = scene.scopes.get(name)!
  return {
    module: name,
    home: unit.home,
    node: node.id,
    scope: unit.scope,
    form: formOn(module, node.inventory!)!,
    cost,
    memoryBytes: needOf(module, node).memoryBytes,
    why:
      callers === undefined
        ? [...scope.why, ...why]
        : [`copied beside ${callers.join(', ')}, because it keeps nothing of its own`],
    links: linksOf(name, unit, node, scene),
  }
}

function linksOf(name: string, unit: Unit, node: FleetNode, scene: Scene): PlannedLink[] {
  const { host, wasi, calls } = scene.graph.modules.get(name)!
  const links: PlannedLink[] = [...host, ...wasi].map((wanted) => ({ interface: wanted, provider: { kind: 'host' } }))
  for (const { interface: wanted, callee } of calls) {
    const home = unit.modules.includes(callee) ? unit.home : null
    links.push({ interface: wanted, provider: { kind: 'instance', node: node.id, module: callee, home } })
  }
  return links.sort((a, b) => compare(a.interface, b.interface))
}

function finish(input: PlaceInput, scene: Scene, instances: PlannedInstance[], unplaced: Unplaced[]): Plan {
  const { release, digest } = input
  return {
    app: release.app,
    release: release.number,
    digest,
    instances,
    refusals: verdictsOf(scene),
    unplaced: unplaced.sort((a, b) => compare(a.module, b.module) || compare(a.home ?? '', b.home ?? '')),
    complete: unplaced.length === 0,
  }
}

function verdictsOf(scene: Scene): ModuleVerdicts[] {
  return [...scene.refusals].map(([module, byNode]) => ({
    module,
    scope: scene.scopes.get(module)!.scope,
    nodes: [...byNode].map(([node, refused]) => {
      const reasons = [...refused, ...(scene.crowded.get(module)?.get(node) ?? [])]
      return { node, fits: reasons.length === 0, reasons }
    }),
  }))
}
