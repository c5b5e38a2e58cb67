import type { FleetNode, Reason } from '../plan.ts'
import { formOn, labelsOf, type Need, needOf, refusalsOf } from './fit.ts'
import { compare, type LinkGraph } from './links.ts'

/** Nodes that are alike in all that placement asks of one by itself: what is found of one holds for all. */
export interface Kind {
  readonly index: number
  /** Sorted by id. */
  readonly nodes: readonly FleetNode[]
  /** Any of them. */
  readonly sample: FleetNode
}

/** The fleet, divided into kinds, and which modules each can hold: a fleet of thousands has few. */
export class Kinds {
  readonly all: readonly Kind[]
  readonly #graph: LinkGraph
  readonly #of = new Map<string, Kind>()
  readonly #fits = new Map<string, boolean[]>()
  readonly #needs = new Map<string, (Need | undefined)[]>()
  /** By the index of a kind: the same for kinds that only differ in how much room they have. */
  readonly #bare: number[] = []

  constructor(graph: LinkGraph, fleet: readonly FleetNode[]) {
    const required = new Set([...graph.modules.values()].flatMap(({ module }) => module.spec.requires))
    const groups = Map.groupBy(fleet, (node) => signatureOf(node, required))
    const sorted = [...groups.values()].map((nodes) => nodes.sort((a, b) => compare(a.id, b.id)))
    sorted.sort((a, b) => compare(a[0]!.id, b[0]!.id))
    this.#graph = graph
    this.all = sorted.map((nodes, index) => ({ index, nodes, sample: nodes[0]! }))
    for (const kind of this.all) for (const { id } of kind.nodes) this.#of.set(id, kind)
    const bare = Map.groupBy(this.all, ({ sample }) => signatureOf(roomy(sample), required))
    for (const [at, kinds] of [...bare.values()].entries()) for (const { index } of kinds) this.#bare[index] = at
    for (const [name, links] of graph.modules) {
      this.#needs.set(name, [])
      const could = [...bare.values()].map(([first]) => refusalsOf(links, roomy(first!.sample)).length === 0)
      this.#fits.set(
        name,
        this.all.map((kind) => could[this.#bare[kind.index]!]! && this.#lacks(name, kind) === ''),
      )
    }
  }

  of(node: string): Kind {
    return this.#of.get(node)!
  }

  /** Whether a node can hold a module, if it holds nothing else of the app. */
  holds(module: string, { index }: Kind): boolean {
    return this.#fits.get(module)![index]!
  }

  /** Of a module on nodes of a kind. */
  need(module: string, { index, sample }: Kind): Need {
    const known = this.#needs.get(module)!
    known[index] ??= needOf(this.#graph.modules.get(module)!.module, sample)
    return known[index]
  }

  /** Null where the nodes of the kind run no form that the module has. */
  form(module: string, { sample }: Kind): 'core' | 'component' | null {
    const { inventory } = sample
    return inventory === null ? null : formOn(this.#graph.modules.get(module)!.module, inventory)
  }

  /** Which kinds of room the nodes of a kind are short of, if they hold nothing else of the app. */
  #lacks(module: string, kind: Kind): string {
    const { inventory, used } = kind.sample
    if (inventory === null) return ''
    const need = this.need(module, kind)
    const memory = need.memoryBytes > inventory.memoryBytes - used.memoryBytes ? 'memory' : ''
    return need.storageBytes > inventory.storageBytes - used.storageBytes ? `${memory} storage` : memory
  }

  /** Kinds that can't hold a module, those together that can't for like reasons: of kinds that are short of room, the one that has most stands for all. */
  refusing(module: string): { readonly kinds: readonly Kind[]; readonly reasons: readonly Reason[] }[] {
    const links = this.#graph.modules.get(module)!
    const refusing = this.all.filter((kind) => !this.holds(module, kind))
    // The sentences of a few kinds that differ otherwise may be the same.
    const alike = Map.groupBy(refusing, (kind) => `${this.#bare[kind.index]} ${this.#lacks(module, kind)}`)
    const merged = Map.groupBy(alike.values(), (kinds) =>
      JSON.stringify(refusalsOf(links, roomiest(kinds).sample, '').map(({ text }) => text)),
    )
    return [...merged.values()].map((groups) => {
      const kinds = groups.flat().sort((a, b) => a.index - b.index)
      const { sample } = roomiest(kinds)
      const count = kinds.reduce((sum, { nodes }) => sum + nodes.length, 0)
      return { kinds, reasons: refusalsOf(links, sample, likeIt(sample.id, count)) }
    })
  }
}

/** The same node with all the room that there is. */
function roomy(node: FleetNode): FleetNode {
  const { inventory, used } = node
  const room = { memoryBytes: Number.MAX_SAFE_INTEGER, storageBytes: Number.MAX_SAFE_INTEGER }
  return {
    ...node,
    parent: null,
    online: true,
    inventory: inventory === null ? null : { ...inventory, ...room },
    used: { ...used, memoryBytes: 0, storageBytes: 0 },
  }
}

/** The first of those with most memory left. */
function roomiest(kinds: readonly Kind[]): Kind {
  const left = ({ sample: { inventory, used } }: Kind) => (inventory?.memoryBytes ?? 0) - used.memoryBytes
  return kinds.reduce((best, kind) => (left(kind) > left(best) ? kind : best))
}

/** A node that stands for others. */
export const likeIt = (node: string, count: number): string => (count === 1 ? node : `${node} (and ${count - 1} more)`)

function signatureOf(node: FleetNode, required: ReadonlySet<string>): string {
  const { tier, online, inventory, zone, used, parent } = node
  const carried = required.size === 0 ? [] : [...labelsOf(node)].filter((label) => required.has(label)).sort()
  const served = node.forBoards ?? []
  const own = [tier, online, zone, parent, used.memoryBytes, used.storageBytes, used.apps, ...carried, ...served]
  if (inventory === null) return own.join(' ')
  const { memoryBytes, storageBytes, interfaces, forms, features } = inventory
  return [...own, memoryBytes, storageBytes, ...interfaces, ...forms, ...features].join(' ')
}
