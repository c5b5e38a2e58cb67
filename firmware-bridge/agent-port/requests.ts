import { HyphaError } from '@hypha/core/errors.ts'
import type { FromBridge, ToBridge } from '@hypha/core/wire/board/agent-port.ts'
import type { Bridge } from '../boards/bridge.ts'
import type { Transfer, TransferOutcome } from '../boards/transfers.ts'

type Done = Extract<FromBridge, { kind: 'done' }>
/** All but what concerns the process. */
type Request = Exclude<ToBridge, { kind: 'stop' }>

/** Carries out what one agent asks, and says what came of it. */
export class Requests {
  readonly #bridge: Bridge
  readonly #say: (message: FromBridge) => void
  readonly #transfers = new Map<number, Transfer>()

  constructor(bridge: Bridge, say: (message: FromBridge) => void) {
    this.#bridge = bridge
    this.#say = say
  }

  async take(asked: Request): Promise<void> {
    try {
      this.#say(await this.#answer(asked))
    } catch (error) {
      if (!(error instanceof HyphaError)) throw error
      this.#say({ kind: 'done', request: asked.request, ok: false, code: error.code, detail: null })
    }
  }

  /** The agent has gone: nobody wants any more what it asked for. */
  close(): void {
    for (const transfer of this.#transfers.values()) transfer.cancel()
  }

  async #answer(asked: Request): Promise<FromBridge> {
    const { request } = asked
    switch (asked.kind) {
      case 'transfer':
        return doneOf(request, await this.#transfer(asked))
      case 'cancel':
        this.#transfers.get(asked.of)?.cancel()
        return { kind: 'done', request, ok: true, code: null, detail: null }
      case 'tell': {
        const taken = await this.#bridge.board(asked.board).send(asked.message)
        return { kind: 'done', request, ok: taken, code: taken ? null : 'board-away', detail: null }
      }
      case 'inputs': {
        const { taken, code } = await this.#bridge.board(asked.board).give(asked.inputs)
        return { kind: 'done', request, ok: code === null, code, detail: taken }
      }
      case 'call': {
        const answer = await this.#bridge.board(asked.board).call(asked.name, asked.value)
        return { kind: 'answer', request, answer }
      }
    }
  }

  async #transfer(asked: Extract<ToBridge, { kind: 'transfer' }>): Promise<TransferOutcome> {
    const { kind: _, request, board, ...what } = asked
    const transfer = this.#bridge.board(board).transfer(what, (held) => this.#say({ kind: 'progress', request, held }))
    this.#transfers.set(request, transfer)
    try {
      return await transfer.outcome
    } finally {
      this.#transfers.delete(request)
    }
  }
}

function doneOf(request: number, outcome: TransferOutcome): Done {
  const ok = outcome.kind === 'complete'
  const refused = outcome.kind === 'refused' ? outcome : null
  const code = refused?.code ?? (ok ? null : 'transfer-cancelled')
  return { kind: 'done', request, ok, code, detail: refused?.detail ?? null }
}
