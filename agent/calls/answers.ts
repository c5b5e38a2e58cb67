import type { CallOutcome } from '../linked-calls.ts'

interface Answer {
  readonly fingerprint: string
  /** The caller's node. */
  readonly from: string
  readonly outcome: CallOutcome
}

const maxAnswers = 512
const maxBytes = 1024 * 1024

const sizeOf = (outcome: CallOutcome): number =>
  outcome.kind === 'ok' ? outcome.result.length : outcome.message.length

/** The newest outcomes of calls that this node has run, for callers that didn't hear them. [P 11.2] */
export class Answers {
  /** In the order in which they were given. */
  readonly #answers = new Map<string, Answer>()
  #bytes = 0

  get(call: string): Answer | undefined {
    return this.#answers.get(call)
  }

  set(call: string, answer: Answer): void {
    this.#answers.set(call, answer)
    this.#bytes += sizeOf(answer.outcome)
    while (this.#answers.size > maxAnswers || this.#bytes > maxBytes) {
      const [oldest] = this.#answers
      this.#answers.delete(oldest![0])
      this.#bytes -= sizeOf(oldest![1].outcome)
    }
  }
}
