import { type CallOutcome, failed, type LinkedCall } from './linked-calls.ts'

/** A call that waits for its turn, or has it. */
export class PendingCall {
  readonly call: LinkedCall
  /** Never rejects. */
  readonly outcome: Promise<CallOutcome>
  readonly #onBegin: () => void
  readonly #onReturn: () => void
  readonly #resolve: (outcome: CallOutcome) => void
  #begun = false
  #settled = false

  /** `onBegin` is called as its turn begins: what it throws keeps it from beginning. `onReturn`: its callee has ended before that. */
  constructor(call: LinkedCall, onBegin: () => void, onReturn: () => void) {
    const { promise, resolve } = Promise.withResolvers<CallOutcome>()
    this.call = call
    this.outcome = promise
    this.#resolve = resolve
    this.#onBegin = onBegin
    this.#onReturn = onReturn
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

  /** Its callee has ended: another may answer it. */
  giveBack(): void {
    if (!this.#begun && !this.#settled) this.#onReturn()
  }

  /** Nobody waits for it any more: it gets no turn, unless it has it already. */
  withdraw(why: string): void {
    if (!this.#begun && !this.#settled) this.settle(failed('callee-unreachable', `it got no turn: ${why}`))
  }
}
