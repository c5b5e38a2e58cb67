import { HyphaError } from '@hypha/core/errors.ts'
import type { LeaseGate } from '../lease-gate.ts'

interface Changes {
  /** There is a lease where there was none. */
  gained(): void
  lost(): void
}

/** The lease of a cell; one that needs none always has it. */
export class CellLease {
  readonly #gate: LeaseGate | null
  readonly #changes: Changes
  #unwatch: () => void = () => undefined
  #end: (() => void) | null = null
  #proceeded = false
  #times = 0

  constructor(gate: LeaseGate | null, changes: Changes) {
    this.#gate = gate
    this.#changes = changes
  }

  /** By the clocks of this moment. */
  get held(): boolean {
    return this.#gate === null || this.#gate.held
  }

  /** Whether its cell may start by itself when there is a lease. */
  get proceeded(): boolean {
    return this.#proceeded
  }

  /** How often its cell has begun to run under it. */
  get times(): number {
    return this.#times
  }

  /** Throws `lease-run-out`: what a turn still asks for, or leaves behind, must not count. */
  check(): void {
    if (!this.held) throw new HyphaError('lease-run-out', 'this node has no lease of the instance any more')
  }

  watch(): void {
    this.#unwatch()
    this.#proceeded = false
    if (this.#gate === null) return
    this.#unwatch = this.#gate.onChange(() => (this.held ? this.#changes.gained() : this.#changes.lost()))
  }

  proceed(): void {
    this.#proceeded = true
  }

  /** Its cell gives way to another. */
  unwatch(): void {
    this.#unwatch()
    this.#unwatch = () => undefined
    this.#proceeded = false
  }

  /** Its cell begins to run: the lease isn't let go before it has ended. */
  use(): void {
    this.#times++
    this.#end ??= this.#gate?.begin() ?? null
  }

  /** Its cell has ended. */
  letGo(): void {
    this.#end?.()
    this.#end = null
  }
}
