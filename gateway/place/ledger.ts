import type { FleetNode, Reason } from '../plan.ts'
import { grouped, hasRoom, maxInstancesOn, type Need, shortOf } from './fit.ts'
import type { Kinds } from './kinds.ts'
import type { LinkGraph } from './links.ts'

interface Taken extends Need {
  /** Instances of the app, by `module@home`; a device's own without its name, so that devices that have the same share one of these. */
  readonly keys: ReadonlySet<string>
}

const empty: Taken = { memoryBytes: 0, storageBytes: 0, keys: new Set() }

/** What the app's instances placed so far take of each node. */
export class Ledger {
  readonly #graph: LinkGraph
  readonly #kinds: Kinds
  readonly #taken = new Map<string, Taken>()

  constructor(graph: LinkGraph, kinds: Kinds) {
    this.#graph = graph
    this.#kinds = kinds
  }

  /** Whether an instance has room on a node beside what is there already. */
  hasRoom(module: string, home: string | null, node: FleetNode): boolean {
    const taken = this.#taken.get(node.id) ?? empty
    if (taken.keys.has(keyOf(module, home, node))) return true
    if (taken.keys.size >= maxInstancesOn(node)) return false
    return hasRoom(this.#kinds.need(module, this.#kinds.of(node.id)), node, taken)
  }

  /** What an instance lacks there, in sentences; `name` stands for the node. */
  missing(module: string, node: FleetNode, name: string): Reason[] {
    const taken = this.#taken.get(node.id) ?? empty
    const need = this.#kinds.need(module, this.#kinds.of(node.id))
    const most = maxInstancesOn(node)
    const [first] = taken.keys
    // With more memory it would run no more than that either.
    if (first !== undefined && most === 1) {
      return [{ code: 'instances-full', text: `${name} runs one module, ${first.replace(/@.*$/, '')}` }]
    }
    const reasons = shortOf(need, node, taken, this.#graph.modules.get(module)!.module, name)
    if (taken.keys.size < most) return reasons
    const text = `${name} holds ${grouped(most)} instances of the app already, as many as it can`
    return [...reasons, { code: 'instances-full', text }]
  }

  /** Equal for nodes that lack the same. */
  lacks(module: string, node: FleetNode): string {
    return this.missing(module, node, '')
      .map(({ text }) => text)
      .join()
  }

  take(module: string, home: string | null, node: FleetNode): void {
    const taken = this.#taken.get(node.id) ?? empty
    const key = keyOf(module, home, node)
    if (taken.keys.has(key)) return
    const need = this.#kinds.need(module, this.#kinds.of(node.id))
    this.#taken.set(node.id, {
      memoryBytes: taken.memoryBytes + need.memoryBytes,
      storageBytes: taken.storageBytes + need.storageBytes,
      keys: new Set(taken.keys).add(key),
    })
  }

  /** A device has taken for its own what another of its kind has. */
  takeAs(node: FleetNode, like: FleetNode): void {
    const taken = this.#taken.get(like.id)
    if (taken !== undefined) this.#taken.set(node.id, taken)
  }

  untouched(node: FleetNode): boolean {
    return !this.#taken.has(node.id)
  }
}

const keyOf = (module: string, home: string | null, node: FleetNode): string =>
  `${module}@${home === node.id ? '.' : (home ?? '')}`
