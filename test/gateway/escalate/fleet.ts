import { type Action, type Bar, barKey } from '../../../gateway/escalate/bar.ts'
import { decide, type Observed, type Placed } from '../../../gateway/escalate/decide.ts'
import type { Fault } from '../../../gateway/escalate/faults.ts'
import { defaultPolicy } from '../../../gateway/escalate/policy.ts'
import { type NodeVitals, noteVitals, type Readings } from '../../../gateway/escalate/vitals.ts'

// A made-up fleet of one device, whose instances climb to "edge" and come home as is decided.

export const t0 = 1_000_000_000_000
export const smooth: Placed = {
  app: 'plants',
  module: 'smooth',
  home: 'pi-7',
  node: 'pi-7',
  memoryBytes: 65_536,
  bound: false,
  release: 'aa',
}
export const large: Placed = { ...smooth, module: 'large', memoryBytes: 1_048_576 }
export const sampler: Placed = { ...smooth, module: 'sampler', bound: true }

export const fault = (at: number, changes: Partial<Fault> = {}): Fault => ({
  app: 'plants',
  module: 'smooth',
  home: 'pi-7',
  node: 'pi-7',
  cause: 'memory',
  at,
  limitBytes: 65_536,
  ...changes,
})

export const observed = (changes: Partial<Observed> = {}): Observed => ({
  now: t0,
  faults: [],
  vitals: new Map(),
  bars: [],
  placed: [smooth, large, sampler],
  judged: new Set(),
  ...changes,
})

export const decided = (changes: Partial<Observed>): Action[] => decide(observed(changes), defaultPolicy)

/** As an executor does what is decided, with a solver that lets what is barred climb to "edge". */
export class Played {
  readonly actions: { readonly at: number; readonly action: Action }[] = []
  readonly #bars = new Map<string, Bar>()
  readonly #placed: readonly Placed[]
  #faults: Fault[] = []
  #vitals: NodeVitals | null = null

  constructor(placed: readonly Placed[] = [smooth]) {
    this.#placed = placed
  }

  get placed(): Placed[] {
    return this.#placed.map((each) =>
      this.#bars.get(barKey(each))?.liftedAt === null ? { ...each, node: 'edge' } : each,
    )
  }

  /** Whether an instance is on its device. */
  isHome(module = 'smooth'): boolean {
    return this.placed.some((each) => each.module === module && each.node === 'pi-7')
  }

  step(now: number, { fails = false, readings }: { fails?: boolean; readings?: Readings } = {}): void {
    if (fails && this.isHome()) this.#faults.push(fault(now))
    if (readings !== undefined) this.#vitals = noteVitals(this.#vitals, readings, now)
    const vitals = new Map(this.#vitals === null ? [] : [['pi-7', this.#vitals]])
    const bars = [...this.#bars.values()]
    for (const action of decide(
      { now, faults: this.#faults, vitals, bars, placed: this.placed, judged: new Set() },
      defaultPolicy,
    )) {
      this.actions.push({ at: now, action })
      const { bar } = action
      this.#bars.set(barKey(bar), action.kind === 'bar' ? bar : { ...bar, liftedAt: now })
    }
    this.#faults = this.#faults.filter(({ at }) => now - at < 20 * 60_000)
  }

  times(kind: Action['kind']): number[] {
    return this.actions.filter(({ action }) => action.kind === kind).map(({ at }) => at)
  }
}
