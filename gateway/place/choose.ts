import type { FleetNode, Reason } from '../plan.ts'
import { costOn } from './cost.ts'
import { distance } from './distance.ts'
import { isDevice, refusalsOf } from './fit.ts'
import { type Kind, likeIt } from './kinds.ts'
import { compare, isBound, isDeviceBound } from './links.ts'
import { awaited, isGivenUp, lostNode } from './lost.ts'
import type { RankedNode, Scene } from './scene.ts'
import { spotKey } from './spot-key.ts'

export interface Choice {
  /** Null where no node can hold it. */
  readonly node: FleetNode | null
  readonly cost: number
  readonly why: readonly string[]
  /** As in the plan. */
  readonly despite?: string
}

const none: Choice = { node: null, cost: 0, why: [] }
const atHome: readonly string[] = ['its home provides all that it imports']

/** The node where an instance's links cost least among those that can hold it; at equal cost the one where it is already, then its home, then the first by name. */
export function choose(module: string, home: string | null, scene: Scene): Choice {
  const was = scene.previous.get(spotKey(module, home))
  const ranked = home === null ? rankShared(module, was, scene) : rankOwn(module, home, was, scene)
  const best = firstWithRoom(ranked, 0, module, home, scene)
  if (best < 0) return awaited(module, home, was, scene) ?? none
  const { node, cost } = ranked[best]!
  if (node.id === home) return { node, cost, why: atHome }
  const next = firstWithRoom(ranked, best + 1, module, home, scene)
  return { node, cost, why: explain(module, home, ranked[best]!, ranked[next], ranked, scene) }
}

function firstWithRoom(
  ranked: readonly RankedNode[],
  from: number,
  module: string,
  home: string | null,
  scene: Scene,
): number {
  for (let at = from; at < ranked.length; at++) if (hasRoom(module, home, ranked[at]!.node, scene)) return at
  return -1
}

/** Nodes that could hold a shared instance, cheapest first: what is shared takes nothing from devices while another node can hold it, so these come last. */
function rankShared(module: string, was: string | undefined, scene: Scene): RankedNode[] {
  const rank = (nodes: readonly FleetNode[]) => rankOf(module, null, was, nodes, scene)
  const devices = scene.kinds.all.filter((kind) => isDevice(kind.sample) && scene.kinds.holds(module, kind))
  const upper = rank(scene.upper)
  // Trouble on the tiers above is no reason to come down to a device.
  if (scene.upper.some((node) => scene.bars.keep(module, null, node))) return upper
  return upper.some(({ node }) => hasRoom(module, null, node, scene))
    ? upper
    : rank(devices.flatMap(({ nodes }) => nodes))
}

/** The same for what belongs to a device. It is found once for all devices in like places whose own instances are in like places, too. */
function rankOwn(module: string, home: string, was: string | undefined, scene: Scene): readonly RankedNode[] {
  // One that is barred from somewhere is like no other.
  if (scene.bars.has(module, home)) return rankOf(module, home, was, reachableFrom(module, home, scene), scene)
  const own = scene.nodes.get(home)!
  const kind = scene.kinds.of(home)
  const like = `${was === home ? '.' : (was ?? '')} ${scene.kinds.holds(module, kind)} ${scene.positions.placeKey(own)}`
  const name = `${module} ${like} ${likePlaces(module, home, kind, scene)}`
  const known = scene.ranks.get(name)
  if (known === undefined) {
    const ranked = rankOf(module, home, was, reachableFrom(module, home, scene), scene)
    scene.ranks.set(name, { home: own, ranked })
    return ranked
  }
  if (known.home === own) return known.ranked
  const at = known.ranked.findIndex(({ node }) => node === known.home)
  return at < 0 ? known.ranked : known.ranked.with(at, { ...known.ranked[at]!, node: own })
}

/** Where the instances of the same device are that it exchanges calls and messages with, and whether those could be there that are nowhere yet. */
function likePlaces(module: string, home: string, kind: Kind, { flows, positions, kinds }: Scene): string {
  let places = ''
  for (const { other } of flows.ties.get(module)!) {
    const at = positions.at(other, home)
    places += at === undefined ? (kinds.holds(other, kind) ? ' +' : ' -') : at.id === home ? ' .' : ` ${at.id}`
  }
  return places
}

function rankOf(
  module: string,
  home: string | null,
  was: string | undefined,
  nodes: readonly FleetNode[],
  scene: Scene,
): RankedNode[] {
  const staysPut = scene.bars.areVoid(module, home)
  return nodes
    .filter((node) => mayHold(module, home, node, was, scene))
    .map((node) => ({ node, cost: costOn(module, home, node, scene), stays: node.id === was }))
    .sort((a, b) => (staysPut ? Number(b.stays) - Number(a.stays) : 0) || order(a, b, home))
}

const order = (a: RankedNode, b: RankedNode, home: string | null): number =>
  a.cost - b.cost ||
  Number(b.stays) - Number(a.stays) ||
  Number(b.node.id === home) - Number(a.node.id === home) ||
  compare(a.node.id, b.node.id)

/**
 * What belongs to a device runs there, or on a tier above it; never on another device, but for the one that a microcontroller is attached to. What is bound to it runs only there: on the device itself, or on the one that
 * a microcontroller is attached to, whose agent reads the board's sensors and sets its actuators.
 */
export function reachableFrom(module: string, home: string, { graph, nodes, upper }: Scene): readonly FleetNode[] {
  const own = nodes.get(home)!
  const parent = own.parent === null ? undefined : nodes.get(own.parent)
  const beside = parent !== undefined && isDevice(parent) ? [own, parent] : [own]
  return isBound(graph.modules.get(module)!) ? beside : [...beside, ...upper]
}

/** Whether a node could hold an instance, if it had room. */
function mayHold(module: string, home: string | null, node: FleetNode, was: string | undefined, scene: Scene): boolean {
  if (!scene.kinds.holds(module, scene.kinds.of(node.id)) || scene.bars.keep(module, home, node)) return false
  if (isGivenUp(module, home, node, scene)) return false
  // A device comes back to what is its own; what is placed anew goes where somebody answers.
  return node.online || node.id === was || node.id === home
}

function hasRoom(module: string, home: string | null, node: FleetNode, scene: Scene): boolean {
  if (scene.ledger.hasRoom(module, home, node)) return true
  const full = scene.full.get(module) ?? new Set<FleetNode>()
  scene.full.set(module, full.add(node))
  return false
}

/** Nodes that could hold a module, and are full of what was placed there before; those together that lack the same. */
export function crowded(module: string, { full, ledger }: Scene): { nodes: string[]; reasons: Reason[] }[] {
  const alike = Map.groupBy(full.get(module) ?? [], (node) => ledger.lacks(module, node))
  return [...alike.values()].map((members) => {
    const nodes = members.map(({ id }) => id).sort(compare)
    return { nodes, reasons: ledger.missing(module, members[0]!, likeIt(nodes[0]!, nodes.length)) }
  })
}

/** Why a node can't hold an instance now, whatever its links cost there; none where it can. */
export function whyNotOn(module: string, home: string | null, node: FleetNode, scene: Scene): Reason[] {
  if (!scene.kinds.holds(module, scene.kinds.of(node.id))) return refusalsOf(scene.graph.modules.get(module)!, node)
  if (home !== null && !reachableFrom(module, home, scene).includes(node)) {
    const text = `belongs to ${home}, and ${node.id} is ${isDevice(node) ? 'another device' : 'not where it is bound to'}`
    return [{ code: 'device-bound', text }]
  }
  const barred = scene.bars.reasons(module, home, node)
  if (barred.length > 0) return barred
  if (isGivenUp(module, home, node, scene)) return [lostNode(node)]
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
  const full = crowded(module, scene).flatMap(({ reasons }) => reasons)
  const away = scene.fleet.filter((node) => !node.online && scene.kinds.holds(module, scene.kinds.of(node.id)))
  return [...refusing, ...full, ...(away.length > 0 ? [offline(likeIt(away[0]!.id, away.length))] : [])]
}

/** Nodes of which an unplaced instance of a device says one by one why it isn't there. */
export const mostNamed = 5

function explain(
  module: string,
  home: string | null,
  best: RankedNode,
  next: RankedNode | undefined,
  candidates: readonly RankedNode[],
  scene: Scene,
): readonly string[] {
  const { node, cost } = best
  if (home === node.id) return atHome
  const why: string[] = []
  const barred = scene.bars.others(module, home).map(({ text }) => text)
  if (barred.length > 0) why.push(`${barred.join(', and ')}: placed on ${node.id}`)
  const was = scene.nodes.get(scene.previous.get(spotKey(module, home)) ?? '')
  if (was !== undefined && isGivenUp(module, home, was, scene)) why.push(`${lostNode(was).text}: placed on ${node.id}`)
  if (home !== null) why.push(explainAway(module, home, best, candidates, scene))
  why.push(explainCost(best, next))
  if (best.stays && next?.cost === cost) why.push(`it stays on ${node.id}, where it was`)
  if (!node.online) why.push(`${node.id} is offline now; it stays there, where it was`)
  return why
}

/** Why it isn't at home, where it went, and what stays behind. */
function explainAway(
  module: string,
  home: string,
  { node }: RankedNode,
  candidates: readonly RankedNode[],
  scene: Scene,
): string {
  const own = scene.nodes.get(home)!
  const there = candidates.find((each) => each.node === own)
  const reasons = whyNotOn(module, home, own, scene).map(({ text }) => text)
  const cause =
    reasons.length > 0 || there === undefined
      ? reasons.join(', and ')
      : `its links would cost ${rounded(there.cost)} on its home ${home}`
  const bound = scene.flows.ties
    .get(module)!
    .map(({ other }) => other)
    .filter((other) => isBound(scene.graph.modules.get(other)!) && scene.positions.at(other, home) === own)
  const steps = distance(own, node)
  const stays =
    bound.length === 0 ? '' : `, linked to ${[...new Set(bound)].sort(compare).join(' and ')}, which stays there`
  const imports = scene.graph.modules.get(module)!.host.filter(isDeviceBound)
  const linked = imports.map((each) => each.replace(/^.*\/|@.*$/g, '')).join(' and ')
  const reads = imports.length === 0 ? '' : `, its ${linked} linked to ${home} as before`
  return `${cause}: placed on ${node.id}, ${steps} ${steps === 1 ? 'step' : 'steps'} from ${home}${reads}${stays}`
}

function explainCost(best: RankedNode, next: RankedNode | undefined): string {
  if (next === undefined) return `${best.node.id} is the only node that can hold it`
  const cost = rounded(best.cost)
  const compared = next.cost === best.cost ? `as on ${next.node.id}` : `on ${next.node.id} ${rounded(next.cost)}`
  return `${best.node.id} has the cheapest links of those that can hold it: they cost ${cost}, ${compared}`
}

/** For sentences. */
export const rounded = (cost: number): string => `${Math.round(cost * 100) / 100}`
