import type { FleetNode } from '../plan.ts'
import { apart, type Point, placeKey } from './distance.ts'

/** Where an instance is, by its module and its home. */
export class Positions {
  readonly #at = new Map<string | null, Map<string, FleetNode>>()
  readonly #spread = new Map<string, Spread>()
  readonly #parents: ReadonlySet<string>

  /** `parents` are the nodes that a microcontroller is attached to. */
  constructor(parents: ReadonlySet<string>) {
    this.#parents = parents
  }

  /** Devices with the same key are equally far from every other node. */
  placeKey(node: FleetNode): string {
    return placeKey(node, this.#parents)
  }

  at(module: string, home: string | null): FleetNode | undefined {
    return this.#at.get(home)?.get(module)
  }

  set(module: string, home: string | null, node: FleetNode): void {
    const ofHome = this.#at.get(home) ?? new Map<string, FleetNode>()
    this.#at.set(home, ofHome.set(module, node))
    if (home === null) return
    const spread = this.#spread.get(module) ?? new Spread(this.#parents)
    this.#spread.set(module, spread.add(node))
  }

  /** The instances of a device-scoped module, taken together; undefined where there is none. */
  spread(module: string): Spread | undefined {
    return this.#spread.get(module)
  }
}

/** Instances by where they are, those together that are equally far from everything. */
export class Spread {
  count = 0
  readonly #places = new Map<string, { readonly point: Point; count: number }>()
  readonly #onNode = new Map<string, number>()
  readonly #parents: ReadonlySet<string>

  constructor(parents: ReadonlySet<string>) {
    this.#parents = parents
  }

  add(node: FleetNode): this {
    this.count++
    const key = placeKey(node, this.#parents)
    const place = this.#places.get(key)
    if (place === undefined) this.#places.set(key, { point: node, count: 1 })
    else place.count++
    this.#onNode.set(node.id, (this.#onNode.get(node.id) ?? 0) + 1)
    return this
  }

  /** The sum of all their distances from a node. */
  distanceFrom(node: FleetNode): number {
    let sum = 0
    for (const { point, count } of this.#places.values()) sum += count * apart(point, node)
    const here = this.#onNode.get(node.id) ?? 0
    return here === 0 ? sum : sum - here * apart(node, node)
  }
}
