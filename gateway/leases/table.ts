import { keptUntil } from '@hypha/core/lease.ts'

/** Who may run an instance, and until when nobody else may, by the gateway's clock that never jumps. */
export interface Holder {
  readonly node: string
  readonly forMs: number
  readonly until: number
}

export interface AskedLease {
  readonly name: string
  /** Whether the directive of the node that asks lists it, in an epoch that the node knows of. */
  readonly may: boolean
}

/** What is to become of a question; nothing has changed yet. */
export interface Judged {
  readonly node: string
  readonly forMs: number
  /** Places in the question. */
  readonly granted: readonly number[]
  readonly names: readonly string[]
  /** Those of them that are another's from now on, or for another time, and are to be written down before they are granted. */
  readonly taken: readonly string[]
  /** What the node has let go. */
  readonly freed: readonly string[]
}

/** Of an earlier run of the gateway. */
export interface KeptHolder extends Omit<Holder, 'until'> {
  readonly name: string
}

/**
 * The rule by which no two nodes have a lease of one instance at the same time: it is granted to whoever has it, or once nobody has. Pure but for the clock that it is given: the caller writes down who
 * holds what before it applies what was judged. [P 12.3]
 */
export class LeaseTable {
  readonly #now: () => number
  readonly #holders = new Map<string, Holder>()
  readonly #of = new Map<string, Set<string>>()

  /** `kept`: when they run out isn't known, only that it is no later than as if they had been granted just now. */
  constructor(now: () => number, kept: readonly KeptHolder[] = [], graceMs = 0) {
    this.#now = now
    for (const { name, node, forMs } of kept) this.#set(name, { node, forMs, until: keptUntil(now() + graceMs, forMs) })
  }

  judge(node: string, asked: readonly AskedLease[], forMs: number): Judged {
    const now = this.#now()
    const granted = asked.flatMap(({ name, may }, index) => {
      const holder = this.#holders.get(name)
      const free = holder === undefined || holder.node === node || holder.until <= now
      return may && free ? [index] : []
    })
    const names = granted.map((index) => asked[index]!.name)
    const wanted = new Set(asked.map(({ name }) => name))
    return {
      node,
      forMs,
      granted,
      names,
      taken: names.filter((name) => {
        const holder = this.#holders.get(name)
        return holder?.node !== node || holder.forMs !== forMs
      }),
      freed: [...(this.#of.get(node) ?? [])].filter((name) => !wanted.has(name)),
    }
  }

  /** Call it in the same step as `judge`, once its outcome is written down, and answer only then. */
  apply({ node, forMs, names, freed }: Judged): void {
    const until = keptUntil(this.#now(), forMs)
    for (const name of freed) this.#drop(name)
    for (const name of names) this.#set(name, { node, forMs, until })
  }

  holder(name: string): Holder | null {
    return this.#holders.get(name) ?? null
  }

  /** When the last lease of a node has run out; null where it has none. */
  runsOutAt(node: string): number | null {
    const names = [...(this.#of.get(node) ?? [])]
    return names.length === 0 ? null : Math.max(...names.map((name) => this.#holders.get(name)!.until))
  }

  /** Another machine has the node's name from now on: what the one before holds must run out first. */
  strand(node: string): void {
    for (const name of [...(this.#of.get(node) ?? [])])
      this.#set(name, { ...this.#holders.get(name)!, node: `${node} before` })
  }

  #set(name: string, holder: Holder): void {
    this.#drop(name)
    this.#holders.set(name, holder)
    const names = this.#of.get(holder.node) ?? new Set()
    this.#of.set(holder.node, names.add(name))
  }

  #drop(name: string): void {
    const before = this.#holders.get(name)
    if (before === undefined) return
    this.#holders.delete(name)
    const names = this.#of.get(before.node)!
    names.delete(name)
    if (names.size === 0) this.#of.delete(before.node)
  }
}
