import type { FleetNode, Reason } from '../plan.ts'
import { grouped, maxInstancesPerSection, type Need, needOf, shortOf } from './fit.ts'
import type { LinkGraph } from './links.ts'
import type { Unit } from './units.ts'

/** What the app's instances placed so far take of each node. */
export class Ledger {
  readonly #graph: LinkGraph
  readonly #taken = new Map<string, Need & { readonly keys: ReadonlySet<string> }>()

  constructor(graph: LinkGraph) {
    this.#graph = graph
  }

  #of(node: string): Need & { readonly keys: ReadonlySet<string> } {
    return this.#taken.get(node) ?? { memoryBytes: 0, storageBytes: 0, keys: new Set() }
  }

  /** What a unit lacks on a node beside what is there already; by the name of the module at which the node is full. */
  missing(unit: Unit, node: FleetNode): ReadonlyMap<string, Reason[]> {
    const refused = new Map<string, Reason[]>()
    const { keys, ...taken } = this.#of(node.id)
    let sum: Need = taken
    let count = keys.size
    for (const name of unit.modules) {
      if (keys.has(keyOf(name, unit))) continue
      const { module } = this.#graph.modules.get(name)!
      const need = needOf(module, node)
      const reasons = shortOf(need, node, sum, module)
      if (++count > maxInstancesPerSection) {
        const text = `${node.id} holds ${grouped(maxInstancesPerSection)} instances of the app already, as many as it can`
        reasons.push({ code: 'instances-full', text })
      }
      if (reasons.length > 0) refused.set(name, reasons)
      sum = add(sum, need)
    }
    return refused
  }

  take(unit: Unit, node: FleetNode): void {
    const { keys: before, ...taken } = this.#of(node.id)
    const keys = new Set(before)
    let sum: Need = taken
    for (const name of unit.modules) {
      if (keys.has(keyOf(name, unit))) continue
      keys.add(keyOf(name, unit))
      sum = add(sum, needOf(this.#graph.modules.get(name)!.module, node))
    }
    this.#taken.set(node.id, { ...sum, keys })
  }
}

const keyOf = (module: string, unit: Unit): string => `${module}@${unit.home ?? ''}`

const add = (a: Need, b: Need): Need => ({
  memoryBytes: a.memoryBytes + b.memoryBytes,
  storageBytes: a.storageBytes + b.storageBytes,
})
