import type { PendingCall } from '../pending-call.ts'
import type { InboxInput } from '../turns.ts'

export type Job =
  | { readonly kind: 'tick'; readonly instance: number }
  | { readonly kind: 'deliver'; readonly instance: number; readonly input: InboxInput; readonly attempt: number }
  | { readonly kind: 'call'; readonly instance: number; readonly pending: PendingCall }

/** Of one instance. [P 11.6] */
const maxWaitingCalls = 64

/**
 * What waits for a turn of a cell, in the order of arrival. One tick may wait per instance: another one that is due meanwhile counts as
 * missed. Inputs and calls are bounded per instance.
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

  hasTick(instance: number): boolean {
    return this.#ticking.has(instance)
  }

  /** False where as many wait as may. */
  addInput(instance: number, input: InboxInput): boolean {
    if (this.isFull(instance)) return false
    this.#count(instance, 1)
    this.#jobs.push({ kind: 'deliver', instance, input, attempt: 1 })
    return true
  }

  /** False where as many wait as may; those that nobody waits for any more don't count. */
  addCall(instance: number, pending: PendingCall): boolean {
    this.#compact()
    this.#jobs = this.#jobs.filter((job) => job.kind !== 'call' || !job.pending.settled)
    if (this.#jobs.filter((job) => job.kind === 'call' && job.instance === instance).length >= maxWaitingCalls)
      return false
    this.#jobs.push({ kind: 'call', instance, pending })
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
    else if (job.kind === 'deliver') this.#count(job.instance, -1)
    if (this.#head > 64 && this.#head * 2 > this.#jobs.length) this.#compact()
    return job
  }

  /** Puts a job back to the front: nothing of its sender may come before it. */
  putBack(job: Job): void {
    this.#compact()
    this.#jobs.unshift(job)
    if (job.kind === 'tick') this.#ticking.add(job.instance)
    else if (job.kind === 'deliver') this.#count(job.instance, 1)
  }

  /** Drops the ticks that wait: a cell that is made anew begins with fresh ones. */
  dropTicks(): void {
    this.#compact()
    this.#jobs = this.#jobs.filter((job) => job.kind !== 'tick')
    this.#ticking.clear()
  }

  /** Empties the queue for another one. */
  takeAll(): readonly Job[] {
    this.#compact()
    const jobs = this.#jobs
    this.#empty()
    return jobs
  }

  /** Puts the jobs of another queue before those that wait here, as many as they are. */
  putFirst(jobs: readonly Job[]): void {
    for (const job of jobs.toReversed()) if (job.kind !== 'tick' || !this.#ticking.has(job.instance)) this.putBack(job)
  }

  /** The inputs that wait. */
  inputs(): { readonly instance: number; readonly input: InboxInput }[] {
    return this.#jobs
      .slice(this.#head)
      .flatMap((job) => (job.kind === 'deliver' ? [{ instance: job.instance, input: job.input }] : []))
  }

  /** Calls don't wait any longer here. */
  giveCallsBack(): void {
    this.#compact()
    const [calls, others] = [
      this.#jobs.filter(({ kind }) => kind === 'call'),
      this.#jobs.filter(({ kind }) => kind !== 'call'),
    ]
    this.#jobs = others
    for (const job of calls) if (job.kind === 'call') job.pending.giveBack()
  }

  /** Empties the queue, and answers the inputs that waited. Calls are given back. */
  drain(): { readonly instance: number; readonly input: InboxInput }[] {
    const left = this.inputs()
    for (const job of this.#jobs.slice(this.#head)) if (job.kind === 'call') job.pending.giveBack()
    this.#empty()
    return left
  }

  #empty(): void {
    this.#jobs = []
    this.#head = 0
    this.#ticking.clear()
    this.#inputs.clear()
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
