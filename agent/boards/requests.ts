import type { FromBridge, ToBridge } from '@hypha/core/wire/board/agent-port.ts'

type Asked = Exclude<ToBridge, { kind: 'stop' | 'call' }>
/** The requests that are answered with `done`, without their numbers. */
type Unnumbered = Asked extends infer Each ? (Each extends unknown ? Omit<Each, 'request'> : never) : never

/** Requests to the bridge that wait for its `done`. Numbers count down from the top, so that they aren't those of calls. */
export class Requests {
  readonly #say: (message: ToBridge) => void
  readonly #waiting = new Map<number, (code: string | null) => void>()
  #next = 0xffff_ffff

  constructor(say: (message: ToBridge) => void) {
    this.#say = say
  }

  /** Resolves with null when it is done, else with a code. */
  ask(asked: Unnumbered): Promise<string | null> {
    const request = this.#next--
    return new Promise((resolve) => {
      this.#waiting.set(request, resolve)
      this.#say({ ...asked, request } as ToBridge)
    })
  }

  heard(message: FromBridge): void {
    if (message.kind !== 'done') return
    const settle = this.#waiting.get(message.request)
    this.#waiting.delete(message.request)
    settle?.(message.ok ? null : (message.code ?? 'transfer-cancelled'))
  }

  /** The bridge has gone. */
  lose(): void {
    for (const settle of this.#waiting.values()) settle('board-away')
    this.#waiting.clear()
  }
}
