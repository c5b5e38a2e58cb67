/** What lies behind a cell: the cells from it on of which each waits for the next, in a circle with those that wait for it, or up to one that waits for another node. */
export type Followed =
  | { readonly kind: 'circle'; readonly chain: readonly string[] }
  | { readonly kind: 'away'; readonly chain: readonly string[]; readonly probe: Probe }
  | { readonly kind: 'free' }

/** Tells the node of a call's callee which cells wait for that call. */
export type Probe = (path: readonly string[]) => void

interface Wait {
  /** The names that the cell which is waited for may have. */
  readonly targets: readonly string[]
  /** Null where that cell is on this node. */
  readonly probe: Probe | null
}

const free: Followed = { kind: 'free' }

/** Which cells of this node wait for which others: who would wait in a circle is told so at once. [P 11.5] */
export class Waits {
  /** By the waiting cell's name. A cell makes one call at a time. */
  readonly #waiting = new Map<string, Wait>()

  begin(cell: string, targets: readonly string[], probe: Probe | null): void {
    this.#waiting.set(cell, { targets, probe })
  }

  end(cell: string): void {
    this.#waiting.delete(cell)
  }

  /** Where a call for which the cells of `path` wait leads if it is queued for `callee`. */
  follow(callee: string, path: readonly string[]): Followed {
    const chain = [callee]
    for (;;) {
      const last = chain.at(-1)!
      if (path.includes(last)) return { kind: 'circle', chain }
      const wait = this.#waiting.get(last)
      if (wait === undefined) return free
      const met = wait.targets.find((name) => path.includes(name))
      if (met !== undefined) return { kind: 'circle', chain: [...chain, met] }
      if (wait.probe !== null) return { kind: 'away', chain, probe: wait.probe }
      const next = wait.targets.find((name) => this.#waiting.has(name))
      if (next === undefined || chain.includes(next)) return free
      chain.push(next)
    }
  }
}
