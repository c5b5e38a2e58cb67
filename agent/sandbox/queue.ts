import type { InboxInput } from '../turns.ts'

export type Job =
  | { readonly kind: 'tick'; readonly instance: number }
  | { readonly kind: 'deliver'; readonly instance: number; readonly input: InboxInput; readonly attempt: number }

/**
 * What waits for a turn of a cell, in the order of arrival. One tick may wait per instance: another one that is due meanwhile counts as
 * missed. Inputs are bounded per instance.
 */
export class JobQueue {
  readonly #maxInputs: number
  readonly #ticking = new Set<number>()
  readonly #inputs = new Map<number, number>()
  #jobs: Job[] = []
  #head = 0

  constructor(maxInputs: number) {
    this.#maxInputs = maxInputs
  }

  /** False where one waits already. */
  addTick(instance: number): boolean {
    if (this.#ticking.has(instance)) return false
    this.#ticking.add(instance)
    this.#jobs.push({ kind: 'tick', instance })
    return true
  }

  /** False where as many wait as may. */
  addInput(instance: number, input: InboxInput): boolean {
    if (this.isFull(instance)) return false
    this.#count(instance, 1)
    this.#jobs.push({ kind: 'deliver', instance, input, attempt: 1 })
    return true
  }

  isFull(instance: number): boolean {
    return this.#waiting(instance) >= this.#maxInputs
  }

  /** Whether taking out one input has just made room. */
  madeRoom(instance: number): boolean {
    return this.#waiting(instance) === this.#maxInputs - 1
  }

  /** Takes out the job whose turn it is. */
  take(): Job | null {
    const job = this.#jobs[this.#head]
    if (job === undefined) return null
    this.#head++
    if (job.kind === 'tick') this.#ticking.delete(job.instance)
    else this.#count(job.instance, -1)
    if (this.#head > 64 && this.#head * 2 > this.#jobs.length) this.#compact()
    return job
  }

  /** Puts a job back to the front: nothing of its sender may come before it. */
  putBack(job: Job): void {
    this.#compact()
    this.#jobs.unshift(job)
    if (job.kind === 'tick') this.#ticking.add(job.instance)
    else this.#count(job.instance, 1)
  }

  /** Drops the ticks that wait: a cell that is made anew begins with fresh ones. */
  dropTicks(): void {
    this.#compact()
    this.#jobs = this.#jobs.filter((job) => job.kind === 'deliver')
    this.#ticking.clear()
  }

  /** Empties the queue for another one. */
  takeAll(): readonly Job[] {
    this.#compact()
    const jobs = this.#jobs
    this.drain()
    return jobs
  }

  /** Puts the jobs of another queue before those that wait here, as many as they are. */
  putFirst(jobs: readonly Job[]): void {
    for (const job of jobs.toReversed())
      if (job.kind === 'deliver' || !this.#ticking.has(job.instance)) this.putBack(job)
  }

  /** The inputs that wait. */
  inputs(): { readonly instance: number; readonly input: InboxInput }[] {
    return this.#jobs
      .slice(this.#head)
      .flatMap((job) => (job.kind === 'deliver' ? [{ instance: job.instance, input: job.input }] : []))
  }

  /** Empties the queue, and answers the inputs that waited. */
  drain(): { readonly instance: number; readonly input: InboxInput }[] {
    const left = this.inputs()
    this.#jobs = []
    this.#head = 0
    this.#ticking.clear()
    this.#inputs.clear()
    return left
  }

  #waiting(instance: number): number {
    return this.#inputs.get(instance) ?? 0
  }

  #count(instance: number, by: number): void {
    this.#inputs.set(instance, this.#waiting(instance) + by)
  }

  #compact(): void {
    this.#jobs = this.#jobs.slice(this.#head)
    this.#head = 0
  }
}
