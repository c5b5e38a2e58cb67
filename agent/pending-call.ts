import { type CallOutcome, failed, type LinkedCall } from './linked-calls.ts'

/** A call that waits for its turn, or has it. */
export class PendingCall {
  readonly call: LinkedCall
  /** Never rejects. */
  readonly outcome: Promise<CallOutcome>
  readonly #onBegin: () => void
  readonly #resolve: (outcome: CallOutcome) => void
  #begun = false
  #settled = false

  /** `onBegin` is called as its turn begins: what it throws keeps it from beginning. */
  constructor(call: LinkedCall, onBegin: () => void) {
    const { promise, resolve } = Promise.withResolvers<CallOutcome>()
    this.call = call
    this.outcome = promise
    this.#resolve = resolve
    this.#onBegin = onBegin
  }

  get settled(): boolean {
    return this.#settled
  }

  get begun(): boolean {
    return this.#begun
  }

  /** Throws what keeps it from beginning. */
  begin(): void {
    this.#onBegin()
    this.#begun = true
  }

  settle(outcome: CallOutcome): void {
    this.#settled = true
    this.#resolve(outcome)
  }

  /** Nobody waits for it any more: it gets no turn, unless it has it already. */
  withdraw(why = 'its callee has ended'): void {
    if (!this.#begun && !this.#settled) this.settle(failed('callee-unreachable', `it got no turn: ${why}`))
  }
}
