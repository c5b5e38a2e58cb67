import type { Clock } from '@hypha/core/ports/clock.ts'

/** What became of the inputs that were taken over at a flip. */
export interface Settled {
  /** Of those taken over, handled by the new release. */
  readonly after: number
  /** Of those taken over, neither handled nor waiting any more. */
  readonly lost: number
  /** Inputs that ran as a turn of the new release although the journal had them as handled. */
  readonly doubled: number
}

/** Inputs are waited for so long; what still waits then is not lost. */
const longestMs = 10_000

/** Watches over the inputs that were taken over at a flip, by their names, until all are done with. */
export class Settlement {
  readonly result: Promise<Settled>
  readonly #carried: number
  readonly #open: Set<string>
  readonly #waiting: () => ReadonlySet<string>
  readonly #doubled: () => number
  readonly #cancel: () => void
  readonly #resolve: (settled: Settled) => void

  /** `waiting`: the inputs that wait or run now. `doubled`: how many ran although they had been handled. */
  constructor(
    clock: Clock,
    carried: ReadonlySet<string>,
    { waiting, doubled }: { waiting(): ReadonlySet<string>; doubled(): number },
  ) {
    this.#carried = carried.size
    this.#open = new Set(carried)
    this.#waiting = waiting
    this.#doubled = doubled
    const { promise, resolve } = Promise.withResolvers<Settled>()
    this.result = promise
    this.#resolve = resolve
    this.#cancel = clock.after(longestMs, () => this.end())
    if (carried.size === 0) this.end()
  }

  /** The journal has it as handled by the new release. */
  handled(input: string): void {
    if (this.#open.delete(input) && this.#open.size === 0) this.end()
  }

  /** Says what is known by now. */
  end(waiting: ReadonlySet<string> = this.#waiting()): void {
    this.#cancel()
    const lost = [...this.#open].filter((input) => !waiting.has(input)).length
    this.#resolve({ after: this.#carried - this.#open.size, lost, doubled: this.#doubled() })
  }
}
