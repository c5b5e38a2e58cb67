import { instanceName } from '@hypha/core/wire/ids.ts'
import type { InboxInput, InstanceKey } from './turns.ts'

export interface Waiting {
  readonly instance: InstanceKey
  readonly input: InboxInput
}

/** Of one instance. A gateway sends far fewer before it hears that some were handled. */
const mostWaiting = 1_024

/**
 * Where inputs wait while an app is between two releases. What is handled is known by the highest number alone, so none may overtake those that the one before has left: they would count as
 * handled, and be lost.
 */
export class WaitingRoom {
  #waiting: Waiting[] | null = null
  /** How many have come for an instance, by its name. */
  readonly #came = new Map<string, number>()

  /** From now on inputs wait here, behind those that were left by what ran. */
  open(left: readonly Waiting[] = []): void {
    this.#waiting = [...left, ...(this.#waiting ?? [])]
  }

  /** All that has waited, in order; from now on nothing does. */
  empty(): Waiting[] {
    const waiting = this.#waiting ?? []
    this.#waiting = null
    this.#came.clear()
    return waiting
  }

  /** `absent` where nothing waits here at this time. */
  deliver(waiting: Waiting): 'queued' | 'full' | 'absent' {
    if (this.#waiting === null) return 'absent'
    const name = instanceName(waiting.instance)
    const came = this.#came.get(name) ?? 0
    if (came >= mostWaiting) return 'full'
    this.#came.set(name, came + 1)
    this.#waiting.push(waiting)
    return 'queued'
  }
}
