import type { Clock } from '@hypha/core/ports/clock.ts'
import type { FromBridge, ToBridge } from '@hypha/core/wire/board/agent-port.ts'
import type { Answer } from '@hypha/core/wire/board/answer.ts'

export type CallResult = Pick<Answer, 'outcome' | 'value'>

interface Waiting {
  readonly isRead: boolean
  settle(result: CallResult): void
}

/** Readings of boards' sensors and settings of their actuators that are under way. */
export class BoardCalls {
  readonly #say: (message: ToBridge) => void
  readonly #clock: Clock
  readonly #waiting = new Map<number, Waiting>()
  #last = 0

  constructor(say: (message: ToBridge) => void, clock: Clock) {
    this.#say = say
    this.#clock = clock
  }

  /** `value` null reads. Never rejects, and is settled within `leftMs`. */
  make(board: string, name: string, value: number | null, leftMs: number): Promise<CallResult> {
    const request = ++this.#last
    const { promise, resolve } = Promise.withResolvers<CallResult>()
    const cancel = this.#clock.after(leftMs, () => settle({ outcome: 'timeout', value: null }))
    const settle = (result: CallResult) => {
      cancel()
      this.#waiting.delete(request)
      resolve(result)
    }
    this.#waiting.set(request, { isRead: value === null, settle })
    this.#say({ kind: 'call', request, board, name, value })
    return promise
  }

  heard(message: FromBridge): void {
    if (message.kind === 'answer') this.#waiting.get(message.request)?.settle(message.answer)
    // The bridge couldn't even ask: nothing has acted.
    else if (message.kind === 'done')
      this.#waiting.get(message.request)?.settle({ outcome: 'unavailable', value: null })
  }

  /** The bridge has gone: whether an actuator was set isn't known. */
  lose(): void {
    for (const { isRead, settle } of this.#waiting.values()) {
      settle({ outcome: isRead ? 'unavailable' : 'timeout', value: null })
    }
  }
}
