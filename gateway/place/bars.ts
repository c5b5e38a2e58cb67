import type { Barred, FleetNode, Reason } from '../plan.ts'
import { spotKey } from './spot-key.ts'

/** Far from the physical world is high. */
const heights = { mcu: 0, device: 1, edge: 2, cloud: 3 } as const

/** Which instances may not be on which nodes for now, whatever these could hold. */
export class Bars {
  readonly #of = new Map<string, { readonly bar: Barred; readonly height: number }[]>()
  readonly #homes = new Set<string | null>()
  /** Those whose bars hold no more, because nothing else can hold them. */
  readonly #void = new Set<string>()

  constructor(barred: readonly Barred[], nodes: ReadonlyMap<string, FleetNode>) {
    for (const bar of barred) {
      const node = nodes.get(bar.node)
      if (node === undefined) continue
      const key = spotKey(bar.module, bar.home)
      const all = this.#of.get(key) ?? []
      this.#of.set(key, all)
      all.push({ bar, height: heights[node.tier] })
      this.#homes.add(bar.home)
    }
  }

  /** Whether an instance is barred from anywhere. */
  has(module: string, home: string | null): boolean {
    return this.#of.has(spotKey(module, home))
  }

  /** Whether anything is that belongs to a device. */
  touches(home: string): boolean {
    return this.#homes.has(home)
  }

  /** Why an instance may not be on a node; none where it may. */
  reasons(module: string, home: string | null, node: FleetNode): Reason[] {
    const key = spotKey(module, home)
    if (this.#void.has(key)) return []
    const holding = (this.#of.get(key) ?? []).filter(
      ({ bar, height }) => bar.node === node.id || (bar.below && heights[node.tier] < height),
    )
    return holding.map(({ bar }) => bar.reason)
  }

  /** Why an instance may not be on nodes other than its home. */
  others(module: string, home: string | null): Reason[] {
    if (this.areVoid(module, home)) return []
    return (this.#of.get(spotKey(module, home)) ?? [])
      .filter(({ bar }) => bar.node !== home)
      .map(({ bar }) => bar.reason)
  }

  keep(module: string, home: string | null, node: FleetNode): boolean {
    return this.#of.size > 0 && this.reasons(module, home, node).length > 0
  }

  /** Nothing else can hold it: it may be wherever it could be without its bars. */
  annul(module: string, home: string | null): void {
    this.#void.add(spotKey(module, home))
  }

  areVoid(module: string, home: string | null): boolean {
    return this.#void.has(spotKey(module, home))
  }
}
