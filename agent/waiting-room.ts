import type { InboxInput, InstanceKey } from './turns.ts'

export interface Waiting {
  readonly instance: InstanceKey
  readonly input: InboxInput
}

/** A gateway sends far fewer before it hears that some were handled. */
const mostWaiting = 4_096

/**
 * Where inputs wait while an app is between two releases. What is handled is known by the highest number alone, so none may overtake those that the one before has left: they would count as
 * handled, and be lost.
 */
export class WaitingRoom {
  #waiting: Waiting[] | null = null

  /** From now on inputs wait here, behind those that were left. */
  open(left: readonly Waiting[]): void {
    this.#waiting = [...(this.#waiting ?? []), ...left]
  }

  /** All that has waited, in order; from now on nothing does. */
  empty(): Waiting[] {
    const waiting = this.#waiting ?? []
    this.#waiting = null
    return waiting
  }

  /** `absent` where nothing waits here at this time. */
  deliver(waiting: Waiting): 'queued' | 'full' | 'absent' {
    if (this.#waiting === null) return 'absent'
    if (this.#waiting.length >= mostWaiting) return 'full'
    this.#waiting.push(waiting)
    return 'queued'
  }
}
