/** Which cells of this node wait for which others: who would wait in a circle is told so at once. [P 11.5] */
export class Waits {
  /** By the waiting cell's name; the names that the cell which it waits for may have. A cell makes one call at a time. */
  readonly #waiting = new Map<string, readonly string[]>()

  begin(cell: string, targets: readonly string[]): void {
    this.#waiting.set(cell, targets)
  }

  end(cell: string): void {
    this.#waiting.delete(cell)
  }

  /** The cells that would wait for one another if a call for which the cells of `path` wait were queued for `callee`; null where none would. */
  circle(callee: string, path: readonly string[]): readonly string[] | null {
    const chain = [callee]
    for (;;) {
      const last = chain.at(-1)!
      if (path.includes(last)) return chain
      const targets = this.#waiting.get(last) ?? []
      const met = targets.find((name) => path.includes(name))
      if (met !== undefined) return [...chain, met]
      const next = targets.find((name) => this.#waiting.has(name))
      if (next === undefined || chain.includes(next)) return null
      chain.push(next)
    }
  }
}
