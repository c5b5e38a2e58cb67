import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { FromWorker, ToWorker } from './protocol.ts'
import type { CellTransport } from './transport.ts'

export type Ask = Extract<FromWorker, { kind: 'ask' | 'link' }>
export type Answer = Exclude<FromWorker, Ask | { kind: 'booted' }>
/** Answers a module's request with a lifted value. `leftMs`: so long until the turn's deadline. */
export type AskHandler = (ask: Ask, leftMs: number) => unknown

interface Pending {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: HyphaError) => void
  readonly turn: number | null
  dueAt: number
  cancelDeadline: () => void
}

/** A timer that comes later than this was held up by the agent's own thread, which is not the module's fault. */
const lateMs = 20

const always = (): boolean => true

/** The program of one cell, in a thread or a process: a request at a time, each with a deadline, past which it is ended. */
export class CellWorker {
  readonly #clock: Clock
  readonly #transport: CellTransport
  /** Null once it has. */
  #booting: Promise<void> | null
  #pending: Pending | null = null
  #ended: HyphaError | null = null
  /** Of its modules, by instance. */
  #names: readonly string[] = []
  /** Answers what modules ask of the host. */
  onAsk: AskHandler = () => {
    throw new HyphaError('internal', 'a worker asks before it has a cell')
  }
  /** Called when it ends while it has nothing to do. */
  onDeath: (error: HyphaError) => void = () => undefined

  constructor(transport: CellTransport, clock: Clock) {
    this.#clock = clock
    this.#transport = transport
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#booting = promise
    promise.then(
      () => {
        this.#booting = null
      },
      () => undefined,
    )
    transport.listen({
      message: (message) => {
        if (message.kind === 'booted') resolve()
        else if (message.kind === 'ask' || message.kind === 'link') this.#answer(message)
        else this.#settle(message)
      },
      died: (error) => {
        this.#died(error)
        reject(this.#ended ?? error)
      },
    })
  }

  /**
   * Sends one message and waits for its answer. Rejects with `turn-deadline` after `deadlineMs`, with `cell-died` when the other side ends;
   * both leave it ended. `first`: see `CellTransport`.
   */
  async request(message: ToWorker, deadlineMs: number, first = always): Promise<Answer> {
    if (this.#booting !== null) await this.#booting
    if (this.#ended !== null) throw this.#ended
    if (this.#pending !== null) throw new HyphaError('internal', 'a cell was given two things to do at once')
    return await new Promise<Answer>((resolve, reject) => {
      const turn = message.kind === 'turn' ? message.number : null
      const dueAt = this.#clock.monotonic() + deadlineMs
      const pending = { resolve, reject, turn, dueAt, cancelDeadline: () => undefined }
      this.#pending = pending
      this.#watch(pending, deadlineMs)
      if (message.kind === 'load') this.#names = message.instances.map(({ key }) => key.module)
      if (message.kind === 'turn') this.#transport.sendTurn(message, first)
      else this.#transport.send(message)
    })
  }

  /** Ends it, whatever it does, also where it is blocked or loops without end. */
  async end(): Promise<void> {
    this.#ended ??= new HyphaError('cell-died', 'the cell was stopped')
    await this.#transport.end()
  }

  #watch(pending: Pending, afterMs: number): void {
    pending.cancelDeadline = this.#clock.after(afterMs, () => {
      if (this.#pending !== pending) return
      const late = this.#clock.monotonic() - pending.dueAt
      // Its answer is on the way, or was asked for while this thread was busy elsewhere.
      const ended = pending.turn !== null && this.#transport.hasEnded(pending.turn)
      if (ended || late > lateMs) {
        pending.dueAt = this.#clock.monotonic() + Math.max(late, lateMs)
        this.#watch(pending, Math.max(late, lateMs))
        return
      }
      const inside = this.#names[this.#transport.inside() ?? -1]
      const where = inside === undefined ? '' : `, in module "${inside}"`
      this.#died(new HyphaError('turn-deadline', `the turn did not return before its deadline${where}`))
    })
  }

  #settle(answer: Answer): void {
    const pending = this.#pending
    if (pending === null) return
    this.#pending = null
    pending.cancelDeadline()
    pending.resolve(answer)
  }

  #died(error: HyphaError): void {
    const first = this.#ended === null
    this.#ended ??= error
    const pending = this.#pending
    this.#pending = null
    if (first) void this.#transport.end()
    if (pending !== null) {
      pending.cancelDeadline()
      pending.reject(error)
    } else if (first) this.onDeath(error)
  }

  #answer(ask: Ask): void {
    const leftMs = this.#pending === null ? 0 : Math.max(0, this.#pending.dueAt - this.#clock.monotonic())
    const refuse = (thrown: unknown): void => this.#transport.answer({ error: asHyphaError(thrown).toJSON() })
    let answer: unknown
    try {
      answer = this.onAsk(ask, leftMs)
    } catch (thrown) {
      refuse(thrown)
      return
    }
    if (answer instanceof Promise) answer.then((value) => this.#transport.answer({ value }), refuse)
    else this.#transport.answer({ value: answer })
  }
}
