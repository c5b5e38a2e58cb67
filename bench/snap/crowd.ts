import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { eventually } from '../../test/support/fleet.ts'
import type { Activation, Begin, Told } from './messages.ts'

/** Hundreds of nodes make garbage for hundreds of processes: it is collected as seldom as in one of those. */
const execArgv = [...process.execArgv, '--max-semi-space-size=128', '--min-semi-space-size=128']

/** Light nodes in some processes, and what they tell. */
export class Crowd {
  readonly #children: ChildProcess[]
  readonly #told: Told[]
  /** By epoch and node, the last. */
  readonly #activations = new Map<number, Map<string, Activation>>()
  #ending = false
  #lost = false

  constructor(begin: Begin, processes: number) {
    this.#told = Array.from({ length: processes }, () => ({ online: 0, problems: [], activations: [] }))
    this.#children = this.#told.map((_, index) => {
      const child = fork(join(import.meta.dirname, 'nodes.ts'), { execArgv })
      child.on('message', (told: Told) => {
        this.#told[index] = told
        for (const activation of told.activations) this.#note(activation)
      })
      child.once('exit', () => {
        this.#lost ||= !this.#ending
      })
      child.send({ ...begin, nodes: begin.nodes.filter((_node, number) => number % processes === index) })
      return child
    })
  }

  #note(activation: Activation): void {
    const of = this.#activations.get(activation.epoch) ?? new Map<string, Activation>()
    this.#activations.set(activation.epoch, of.set(activation.node, activation))
  }

  get online(): number {
    return this.#told.reduce((sum, { online }) => sum + online, 0)
  }

  /** What went wrong on any of them. */
  get problems(): string[] {
    return [...new Set(this.#told.flatMap(({ problems }) => problems))]
  }

  allOnline(count: number, withinMs: number): Promise<true> {
    return eventually(
      `${count} light nodes online`,
      () => this.#alive() && (this.online === count || undefined),
      withinMs,
    )
  }

  activations(epoch: number): Activation[] {
    return [...(this.#activations.get(epoch)?.values() ?? [])]
  }

  /** The first epoch above `epoch` that `count` nodes run. */
  next(epoch: number, count: number, withinMs: number): Promise<number> {
    const found = () =>
      this.#alive() && [...this.#activations].find(([each, of]) => each > epoch && of.size >= count)?.[0]
    return eventually(`${count} light nodes on the next epoch`, () => found() || undefined, withinMs).catch((error) => {
      const reached = [...this.#activations].map(([each, of]) => `${of.size} run epoch ${each}`).join(', ')
      throw new Error(`${error.message}: ${reached}; ${this.problems.slice(0, 5).join('; ')}`)
    })
  }

  #alive(): true {
    if (this.#lost) throw new Error('A process of nodes has ended')
    return true
  }

  end(): void {
    this.#ending = true
    for (const child of this.#children) child.kill()
  }
}
