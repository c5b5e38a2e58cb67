import type { FleetNode, Reason } from '../plan.ts'
import { costOn } from './cost.ts'
import { distance } from './distance.ts'
import { isDevice, refusalsOf } from './fit.ts'
import { likeIt } from './kinds.ts'
import { compare, isBound } from './links.ts'
import { type Scene, spotKey } from './scene.ts'

export interface Choice {
  /** Null where no node can hold it. */
  readonly node: FleetNode | null
  readonly cost: number
  readonly why: readonly string[]
}

interface Candidate {
  readonly node: FleetNode
  readonly cost: number
  readonly stays: boolean
}

const none: Choice = { node: null, cost: 0, why: [] }
const atHome: readonly string[] = ['its home provides all that it imports']

/** The node where an instance's links cost least among those that can hold it; at equal cost the one where it is already, then the first by name. */
export function choose(module: string, home: string | null, scene: Scene): Choice {
  const was = scene.previous.get(spotKey(module, home))
  const candidates = fitting(module, home, was, scene).map(
    (node): Candidate => ({ node, cost: costOn(module, home, node, scene), stays: node.id === was }),
  )
  const [best, next] = twoBest(candidates)
  if (best === undefined) return none
  return { node: best.node, cost: best.cost, why: explain(module, home, best, next, candidates, scene) }
}

/** The first two in the order of preference. */
function twoBest(candidates: readonly Candidate[]): Candidate[] {
  let best: Candidate | undefined
  let next: Candidate | undefined
  for (const each of candidates) {
    if (best === undefined || order(each, best) < 0) [best, next] = [each, best]
    else if (next === undefined || order(each, next) < 0) next = each
  }
  return [best, next].filter((each) => each !== undefined)
}

const order = (a: Candidate, b: Candidate): number =>
  a.cost - b.cost || Number(b.stays) - Number(a.stays) || compare(a.node.id, b.node.id)

/** Nodes that can hold an instance now. What is shared takes nothing from devices while another node can. */
function fitting(module: string, home: string | null, was: string | undefined, scene: Scene): FleetNode[] {
  if (home !== null) return reachableFrom(module, home, scene).filter((node) => holds(module, home, node, was, scene))
  const upper = scene.upper.filter((node) => holds(module, home, node, was, scene))
  if (upper.length > 0) return upper
  return scene.kinds.all
    .filter((kind) => isDevice(kind.sample) && scene.kinds.holds(module, kind))
    .flatMap(({ nodes }) => nodes.filter((node) => holds(module, home, node, was, scene)))
}

/** What belongs to a device runs there, or on a tier above it; never on another device, but for the one that a microcontroller is attached to. What is bound to it runs only there. */
export function reachableFrom(module: string, home: string, { graph, nodes, upper }: Scene): readonly FleetNode[] {
  const own = nodes.get(home)!
  if (isBound(graph.modules.get(module)!)) return [own]
  const parent = own.parent === null ? undefined : nodes.get(own.parent)
  return [own, ...(parent !== undefined && isDevice(parent) ? [parent] : []), ...upper]
}

function holds(module: string, home: string | null, node: FleetNode, was: string | undefined, scene: Scene): boolean {
  if (!scene.kinds.holds(module, scene.kinds.of(node.id))) return false
  // A device comes back to what is its own; what is placed anew goes where somebody answers.
  if (!node.online && node.id !== was && node.id !== home) return false
  if (scene.ledger.hasRoom(module, home, node)) return true
  noteCrowded(module, node, scene)
  return false
}

function noteCrowded(module: string, node: FleetNode, { crowded, ledger }: Scene): void {
  const ofModule = crowded.get(module) ?? new Map()
  crowded.set(module, ofModule)
  const key = ledger
    .missing(module, node, '')
    .map(({ text }) => text)
    .join()
  const alike = ofModule.get(key) ?? { nodes: new Set<string>(), reasons: ledger.missing(module, node, '\0') }
  ofModule.set(key, alike)
  alike.nodes.add(node.id)
}

/** Why a node can't hold an instance now, whatever its links cost there; none where it can. */
export function whyNotOn(module: string, home: string | null, node: FleetNode, scene: Scene): Reason[] {
  if (!scene.kinds.holds(module, scene.kinds.of(node.id))) return refusalsOf(scene.graph.modules.get(module)!, node)
  if (home !== null && !reachableFrom(module, home, scene).includes(node)) {
    const text = `belongs to ${home}, and ${node.id} is ${isDevice(node) ? 'another device' : 'not where it is bound to'}`
    return [{ code: 'device-bound', text }]
  }
  if (!scene.ledger.hasRoom(module, home, node)) return scene.ledger.missing(module, node, node.id)
  const away = !node.online && node.id !== scene.previous.get(spotKey(module, home)) && node.id !== home
  return away ? [offline(node.id)] : []
}

const offline = (name: string): Reason => ({
  code: 'node-offline',
  text: `${name} is offline, and nothing new is placed there until it is back`,
})

/** Why no node can hold an instance. */
export function whyNowhere(module: string, home: string | null, scene: Scene): Reason[] {
  if (scene.fleet.length === 0) return [{ code: 'no-node', text: 'the fleet has no node' }]
  if (home !== null) {
    const reachable = reachableFrom(module, home, scene).slice(0, mostNamed)
    return reachable.flatMap((node) => whyNotOn(module, home, node, scene))
  }
  const refusing = scene.kinds.refusing(module).flatMap(({ reasons }) => reasons)
  const crowded = [...(scene.crowded.get(module)?.values() ?? [])].flatMap(crowdedReasons)
  const away = scene.fleet.filter((node) => !node.online && scene.kinds.holds(module, scene.kinds.of(node.id)))
  return [...refusing, ...crowded, ...(away.length > 0 ? [offline(likeIt(away[0]!.id, away.length))] : [])]
}

/** Nodes of which an unplaced instance of a device says one by one why it isn't there. */
const mostNamed = 5

export const crowdedReasons = ({
  nodes,
  reasons,
}: {
  nodes: ReadonlySet<string>
  reasons: readonly Reason[]
}): Reason[] => {
  const name = likeIt([...nodes].sort(compare)[0]!, nodes.size)
  return reasons.map(({ code, text }) => ({ code, text: text.replace('\0', name) }))
}

function explain(
  module: string,
  home: string | null,
  best: Candidate,
  next: Candidate | undefined,
  candidates: readonly Candidate[],
  scene: Scene,
): readonly string[] {
  const { node, cost } = best
  if (home === node.id) return atHome
  const why: string[] = []
  if (home !== null) why.push(explainAway(module, home, best, candidates, scene))
  why.push(explainCost(best, next, candidates.length))
  if (best.stays && next?.cost === cost) why.push(`it stays on ${node.id}, where it was`)
  if (!node.online) why.push(`${node.id} is offline now; it stays there, where it was`)
  return why
}

/** Why it isn't at home, where it went, and what stays behind. */
function explainAway(
  module: string,
  home: string,
  { node }: Candidate,
  candidates: readonly Candidate[],
  scene: Scene,
): string {
  const own = scene.nodes.get(home)!
  const there = candidates.find((each) => each.node === own)
  const reasons = whyNotOn(module, home, own, scene).map(({ text }) => text)
  const cause =
    there === undefined ? reasons.join(', and ') : `its links would cost ${rounded(there.cost)} on its home ${home}`
  const bound = scene.flows.ties
    .get(module)!
    .map(({ other }) => other)
    .filter((other) => isBound(scene.graph.modules.get(other)!) && scene.positions.at(other, home) === own)
  const steps = distance(own, node)
  const stays =
    bound.length === 0 ? '' : `, linked to ${[...new Set(bound)].sort(compare).join(' and ')}, which stays there`
  return `${cause}: placed on ${node.id}, ${steps} ${steps === 1 ? 'step' : 'steps'} from ${home}${stays}`
}

function explainCost(best: Candidate, next: Candidate | undefined, count: number): string {
  if (next === undefined) return `${best.node.id} is the only node that can hold it`
  const rest = count > 2 ? ` and more on ${count - 2} others` : ''
  const cost = rounded(best.cost)
  const compared = next.cost === best.cost ? `as on ${next.node.id}` : `on ${next.node.id} ${rounded(next.cost)}${rest}`
  return `${best.node.id} has the cheapest links of ${count} nodes that can hold it: they cost ${cost}, ${compared}`
}

/** For sentences. */
export const rounded = (cost: number): string => `${Math.round(cost * 100) / 100}`
