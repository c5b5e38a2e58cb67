import type { FleetNode, PlaceInput, Reason, Unplaced } from '../plan.ts'
import { whyNowhere } from './choose.ts'
import { chooseOrStay } from './climb.ts'
import { isDevice } from './fit.ts'
import type { Kind } from './kinds.ts'
import { compare, isBound, isDeviceBound } from './links.ts'
import { makeScene, type Scene, type Spot, settle } from './scene.ts'
import { spotKey } from './spot-key.ts'
import { unservedSpots } from './unserved.ts'

export interface Solved {
  readonly scene: Scene
  readonly unplaced: readonly Unplaced[]
}

/**
 * Finds a place for every instance. First each module's scope, which is meaning; then, device by device, what belongs to it; then what is shared. Each goes where its links cost least among the nodes that can
 * hold it beside what was placed before: what the fewest nodes can hold first.
 */
export function solve(input: PlaceInput): Solved {
  const scene = makeScene(input)
  const faulty = [...scene.graph.modules].filter(([, links]) => links.faults.length > 0)
  if (faulty.length > 0) {
    const reasons = (faults: readonly Reason[]) => faults.map(({ code, text }) => ({ code, text }))
    return { scene, unplaced: faulty.map(([module, { faults }]) => ({ module, home: null, reasons: reasons(faults) })) }
  }
  const ranks = ranksOf(scene)
  const unplaced: Unplaced[] = homeless(scene)
  for (const kind of scene.kinds.all) unplaced.push(...placeHomes(kind, ranks, scene))
  const shared = [...scene.scopes].filter(([, { scope, copied }]) => scope !== 'device' && !copied)
  const names = inOrder(
    shared.map(([name]) => name),
    ranks,
  )
  unplaced.push(...placeAll(names, null, scene))
  unplaced.push(...unservedSpots(scene))
  return { scene, unplaced }
}

/** What has a home goes first that is bound to it; then what the fewest nodes can hold and, of these, what needs the most. */
function ranksOf({ graph, kinds, copies }: Scene): ReadonlyMap<string, readonly number[]> {
  return new Map(
    [...graph.modules].map(([name, links]) => {
      const choices = kinds.all.reduce((sum, kind) => sum + (kinds.holds(name, kind) ? kind.nodes.length : 0), 0)
      const memory = [name, ...copies.get(name)!].reduce(
        (sum, each) => sum + graph.modules.get(each)!.module.spec.limits.memoryBytes,
        0,
      )
      return [name, [isBound(links) ? 0 : 1, choices, -memory]]
    }),
  )
}

function inOrder(names: readonly string[], ranks: ReadonlyMap<string, readonly number[]>): string[] {
  return [...names].sort((a, b) => {
    const [left, right] = [ranks.get(a)!, ranks.get(b)!]
    const at = left.findIndex((part, index) => part !== right[index])
    return at < 0 ? compare(a, b) : left[at]! - right[at]!
  })
}

/** Devices of one kind that keep all of their own get the same, so that it is found out once. */
function placeHomes(kind: Kind, ranks: ReadonlyMap<string, readonly number[]>, scene: Scene): Unplaced[] {
  const names = inOrder(scene.homes.ofKind[kind.index]!, ranks)
  if (names.length === 0) return []
  const unplaced: Unplaced[] = []
  let pattern: { readonly node: FleetNode; readonly spots: readonly Spot[] } | null = null
  for (const node of kind.nodes) {
    const asAny = !scene.bars.touches(node.id) && wasAtHome(names, node, scene)
    const undisturbed = asAny && scene.ledger.untouched(node)
    if (pattern !== null && undisturbed) {
      for (const spot of pattern.spots) settle({ ...spot, home: node.id, node }, scene)
      scene.ledger.takeAs(node, pattern.node)
      continue
    }
    const missing = placeAll(names, node.id, scene)
    unplaced.push(...missing)
    const spots = [...(scene.spots.get(node.id)?.values() ?? [])]
    if (undisturbed && missing.length === 0 && spots.every((spot) => spot.node === node)) pattern = { node, spots }
  }
  return unplaced
}

const wasAtHome = (names: readonly string[], { id }: FleetNode, { previous }: Scene): boolean =>
  previous.size === 0 || names.every((name) => (previous.get(spotKey(name, id)) ?? id) === id)

/** Places instances of one home, or shared ones; then beside each the copied modules that it calls: these never take the room of what can't be copied. */
function placeAll(names: readonly string[], home: string | null, scene: Scene): Unplaced[] {
  const unplaced = names.flatMap((name) => placeOne(name, home, scene))
  for (const name of names) unplaced.push(...placeCopies(name, home, scene))
  return unplaced
}

function placeOne(module: string, home: string | null, scene: Scene): Unplaced[] {
  const { node, cost, why, despite } = chooseOrStay(module, home, scene)
  if (node === null) return [{ module, home, reasons: whyNowhere(module, home, scene) }]
  scene.ledger.take(module, home, node)
  settle({ module, home, node, cost, why, ...(despite === undefined ? {} : { despite }), beside: [] }, scene)
  return []
}

/** Copied modules that have room beside their caller; one that has none gets a place of its own. */
function placeCopies(module: string, home: string | null, scene: Scene): Unplaced[] {
  const spot = scene.spots.get(home)?.get(module)
  if (spot === undefined || scene.copies.get(module)!.length === 0) return []
  const { node } = spot
  const beside: string[] = []
  const elsewhere: string[] = []
  for (const copy of scene.copies.get(module)!) {
    const callers = scene.graph.modules.get(copy)!.importers
    if (![module, ...beside].some((name) => callers.includes(name))) continue
    const could = scene.kinds.holds(copy, scene.kinds.of(node.id)) && !scene.bars.keep(copy, home, node)
    const fits = could && scene.ledger.hasRoom(copy, home, node)
    if (fits) scene.ledger.take(copy, home, node)
    if (fits) beside.push(copy)
    else elsewhere.push(copy)
  }
  settle({ ...spot, beside }, scene)
  return elsewhere
    .filter((copy) => scene.positions.at(copy, home) === undefined)
    .flatMap((copy) => placeAll([copy], home, scene))
}

/** Device-scoped modules that no device is a home of. */
function homeless(scene: Scene): Unplaced[] {
  const { graph, fleet, homes, scopes } = scene
  const devices = fleet.filter(isDevice).length
  return [...homes.count].flatMap(([module, count]): Unplaced[] => {
    if (count > 0 || scopes.get(module)!.copied) return []
    const { host, module: spec } = graph.modules.get(module)!
    const bound = host.filter(isDeviceBound)
    const labels = spec.spec.requires.length === 0 ? '' : ` and carries ${spec.spec.requires.join(', ')}`
    const text =
      bound.length === 0
        ? 'belongs to the devices of its callers, and these have none'
        : `imports ${bound.join(' and ')}, and of ${devices} devices in the fleet none provides it${labels}`
    return [{ module, home: null, reasons: [{ code: 'no-home', text }] }]
  })
}
