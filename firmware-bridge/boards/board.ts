import { HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Answer } from '@hypha/core/wire/board/answer.ts'
import type { Identify } from '@hypha/core/wire/board/identify.ts'
import type { BoardInput } from '@hypha/core/wire/board/input.ts'
import type { FromBoard, ToBoard } from '@hypha/core/wire/board/messages.ts'
import type { BoardState } from '@hypha/core/wire/board/state.ts'
import { type ToTransfer, type Transfer, Transfers } from './transfers.ts'

/** The way to a board while it is connected. */
export interface BoardWay {
  /** The port's path. */
  readonly path: string
  /** The longest message that the board takes. */
  readonly maxPayload: number
  /** How many messages of a channel it takes at a time. */
  readonly window: number
  /** Throws at once what `Messenger.offer` throws. */
  offer(message: ToBoard): Promise<boolean>
}

/** How often a board is told the time. [S 8.6] */
const timeEveryMs = 600_000
/** How long a board may take to answer a call. */
const callMs = 10_000

/** A board, by its id: the same while it comes and goes, on whatever port. */
export class Board {
  readonly #clock: Clock
  readonly #transfers = new Transfers()
  readonly #calls = new Map<number, { answer(answer: Answer): void; lost(): void }>()
  #identify: Identify
  #state: BoardState | null = null
  #way: BoardWay | null = null
  #lastCall = 0
  #cancelTime: () => void = () => undefined

  constructor(identify: Identify, clock: Clock) {
    this.#identify = identify
    this.#clock = clock
  }

  get id(): string {
    return this.#identify.board
  }
  get identify(): Identify {
    return this.#identify
  }
  /** What it last said that it holds and runs; null before it has said so. */
  get state(): BoardState | null {
    return this.#state
  }
  /** The port that it is connected to; null while it isn't. */
  get path(): string | null {
    return this.#way?.path ?? null
  }

  /** The longest message that it takes; 0 while it isn't connected. */
  get messageBytes(): number {
    return this.#way?.maxPayload ?? 0
  }

  /**
   * Gives it messages for its inbox, one after another; resolves once each was taken or wasn't. What comes after one that can't be sent isn't sent either: the board takes a lower number than
   * one that it had for a repetition. [S 8.14]
   */
  async give(inputs: readonly BoardInput[]): Promise<{ taken: number; code: string | null }> {
    const offered: Promise<boolean>[] = []
    let code: string | null = null
    try {
      for (const input of inputs) offered.push(this.#offer({ kind: 'input', ...input }))
    } catch (error) {
      if (!(error instanceof HyphaError)) throw error
      code = error.code
    }
    const all = await Promise.all(offered)
    const taken = all.indexOf(false) < 0 ? all.length : all.indexOf(false)
    return { taken, code: taken < all.length ? 'board-away' : code }
  }

  /** Resolves with true once the board has taken it, with false if it leaves before. Throws `board-away`, `board-busy`. */
  async send(message: ToBoard): Promise<boolean> {
    return this.#offer(message)
  }

  #offer(message: ToBoard): Promise<boolean> {
    if (this.#way === null) throw new HyphaError('board-away', `${this.id} isn't connected`)
    return this.#way.offer(message)
  }

  /** Brings something to the board, after what was asked for before; a board that leaves meanwhile is waited for. */
  transfer(what: ToTransfer, onProgress?: (held: number) => void): Transfer {
    return this.#transfers.add(what, onProgress)
  }

  /** Reads a sensor (`value` null) or sets an actuator. A board that leaves before it answers counts as [S 8.15] says. Throws `board-away`, `board-busy`. */
  async call(name: string, value: number | null): Promise<Answer> {
    const number = ++this.#lastCall
    const what = value === null ? 'read' : 'set'
    const { promise, resolve } = Promise.withResolvers<Answer>()
    const lost = () => resolve({ number, outcome: what === 'read' ? 'unavailable' : 'timeout', value: null })
    const cancel = this.#clock.after(callMs, () => resolve({ number, outcome: 'timeout', value: null }))
    this.#calls.set(number, { answer: resolve, lost })
    try {
      if (!(await this.send({ kind: 'call', number, what, name, value }))) lost()
      return await promise
    } finally {
      cancel()
      this.#calls.delete(number)
    }
  }

  /** The bridge's own: the board has identified itself on a line. */
  attach(identify: Identify, way: BoardWay | null): void {
    this.#identify = identify
    // It has only said anew what it is.
    if (way === null) return
    this.detach()
    this.#way = way
    this.#tellTime()
    this.#transfers.attach({ ...way, send: async (message) => way.offer(message) })
  }

  /** The bridge's own: the line has closed. */
  detach(): void {
    this.#way = null
    this.#cancelTime()
    this.#transfers.detach()
    for (const { lost } of this.#calls.values()) lost()
  }

  /** The bridge's own: what the board said. Whether the layer above is to hear of it. */
  heard(message: FromBoard): boolean {
    switch (message.kind) {
      case 'state':
        this.#state = message
        return true
      case 'held':
        this.#transfers.heardHeld(message)
        return false
      case 'refused':
        return !this.#transfers.heardRefused(message)
      case 'answer':
        this.#calls.get(message.number)?.answer(message)
        return false
      default:
        return true
    }
  }

  #tellTime(): void {
    this.#cancelTime = this.#clock.after(timeEveryMs, () => this.#tellTime())
    this.send({ kind: 'time', nowMs: Math.floor(this.#clock.now()) }).catch(() => undefined)
  }
}
