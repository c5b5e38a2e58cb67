import type { FromBridge, ToBridge } from '@hypha/core/wire/board/agent-port.ts'

type Asked = Exclude<ToBridge, { kind: 'stop' | 'call' }>
/** The requests that are answered with `done`, without their numbers. */
type Unnumbered = Asked extends infer Each ? (Each extends unknown ? Omit<Each, 'request'> : never) : never

/** What came of a request: `code` is null where it is done. */
export interface Done {
  readonly code: string | null
  readonly detail: number | null
}

/** Requests to the bridge that wait for its `done`. Numbers count down from the top, so that they aren't those of calls. */
export class Requests {
  readonly #say: (message: ToBridge) => void
  readonly #waiting = new Map<number, (done: Done) => void>()
  #next = 0xffff_ffff

  constructor(say: (message: ToBridge) => void) {
    this.#say = say
  }

  /** Resolves with null when it is done, else with a code. */
  async ask(asked: Unnumbered): Promise<string | null> {
    return (await this.askFor(asked)).code
  }

  /** The same with what belongs to it. */
  askFor(asked: Unnumbered): Promise<Done> {
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
    settle?.({ code: message.ok ? null : (message.code ?? 'transfer-cancelled'), detail: message.detail })
  }

  /** The bridge has gone. */
  lose(): void {
    for (const settle of this.#waiting.values()) settle({ code: 'board-away', detail: null })
    this.#waiting.clear()
  }
}
