import type { Barred, Plan, PlannedInstance, PlannedLink } from '../plan.ts'
import { spotOf } from './handover.ts'

/** Where a rollout is between two waves. */
export interface Halves {
  /** By the release in force, on nodes that haven't flipped; and by the one that is rolled out, on all others. */
  readonly old: readonly PlannedInstance[]
  readonly next: readonly PlannedInstance[]
  /** Where the one that is rolled out is to run. */
  readonly plan: Plan
  readonly nodes: readonly string[]
  readonly lost: ReadonlySet<string>
  readonly hasFlipped: (node: string) => boolean
  /** Places a release on today's fleet, with some of its instances kept from some nodes. */
  readonly place: (release: 'old' | 'next', barred: readonly Barred[]) => Plan
}

/**
 * What ran under a lease on nodes that are lost goes to nodes that run the same release: and where none of those that haven't flipped can hold it, to one that has. Null where nothing is to go, or can. What moves
 * before its flip stays there after it. [P 12.5]
 */
export function placeOrphans(halves: Halves): Pick<Halves, 'old' | 'next' | 'plan'> | null {
  const { old, next, plan } = halves
  const isOrphan = (each: PlannedInstance) => each.leased === true && halves.lost.has(each.node)
  const before = old.filter(isOrphan)
  const onOld = before.length === 0 ? [] : found(before, 'old', halves, (node) => !halves.hasFlipped(node))
  const places = new Map(onOld.map((each) => [spotOf(each), each.node]))
  const left = [...before.filter((each) => !places.has(spotOf(each))), ...next.filter(isOrphan)]
  const known = new Set(plan.instances.map(spotOf))
  const kept = onOld.filter((each) => known.has(spotOf(each)))
  const wanted = [...left, ...kept]
  const may = (node: string, spot: string) =>
    (places.get(spot) ?? node) === node && (places.has(spot) || halves.hasFlipped(node))
  const onNext = wanted.length === 0 ? [] : found(wanted, 'next', halves, may)
  if (onOld.length + onNext.length === 0) return null
  const flipped = onNext.filter(({ node }) => halves.hasFlipped(node))
  const gone = new Set(flipped.map(spotOf))
  const nodes = nodesOf([...onOld, ...flipped])
  const staying = nodesOf([...old, ...next])
  const moved = (each: PlannedInstance) => relinked(each, new Map([...staying, ...nodes]))
  const linked = (all: readonly PlannedInstance[], now: readonly PlannedInstance[]) => [
    ...without(all, now).map((each) => relinked(each, nodes)),
    ...now.map(moved),
  ]
  return {
    old: linked(
      old.filter((each) => !gone.has(spotOf(each))),
      onOld,
    ),
    next: linked(next, flipped),
    plan: { ...plan, instances: linked(plan.instances, onNext) },
  }
}

/** The orphans as a placement has them that may put them on some nodes only, and what is copied beside them there. */
function found(
  orphans: readonly PlannedInstance[],
  release: 'old' | 'next',
  { nodes, lost, place }: Halves,
  may: (node: string, spot: string) => boolean,
): PlannedInstance[] {
  const fits = (node: string, each: PlannedInstance) => !lost.has(node) && may(node, spotOf(each))
  const reason = { code: 'node-lost', text: 'a rollout is between two waves' } as const
  const barred = orphans.flatMap((each): Barred[] =>
    nodes
      .filter((node) => !fits(node, each))
      .map((node) => ({ module: each.module, home: each.home, node, below: false, reason })),
  )
  const { instances } = place(release, barred)
  const spots = new Map(orphans.map((each) => [spotOf(each), each]))
  const moved = instances.filter((each) => spots.has(spotOf(each)) && fits(each.node, spots.get(spotOf(each))!))
  const beside = new Set(moved.flatMap(({ node, links }) => links.flatMap(({ provider }) => onNode(provider, node))))
  const copies = instances.filter((each) => !each.leased && beside.has(`${spotOf(each)} ${each.node}`))
  return [...moved, ...copies.filter((each) => !moved.includes(each))]
}

const onNode = (provider: PlannedInstance['links'][number]['provider'], node: string): string[] =>
  provider.kind === 'instance' && provider.node === node ? [`${spotOf(provider)} ${node}`] : []

/** What isn't there in another way by now: what there is one of, and what is copied to the same node. */
function without(instances: readonly PlannedInstance[], now: readonly PlannedInstance[]): PlannedInstance[] {
  const moved = nodesOf(now)
  const there = new Set(now.map((each) => `${spotOf(each)} ${each.node}`))
  return instances.filter((each) => !moved.has(spotOf(each)) && !there.has(`${spotOf(each)} ${each.node}`))
}

const nodesOf = (instances: readonly PlannedInstance[]): Map<string, string> =>
  new Map(instances.flatMap((each) => (each.leased ? [[spotOf(each), each.node] as const] : [])))

const relinked = (instance: PlannedInstance, nodes: ReadonlyMap<string, string>): PlannedInstance => ({
  ...instance,
  links: instance.links.map((link) => {
    const node = link.provider.kind === 'instance' ? nodes.get(spotOf(link.provider)) : undefined
    return node === undefined ? link : ({ ...link, provider: { ...link.provider, node } } as PlannedLink)
  }),
})
