import { MessageChannel, type MessagePort, type Transferable, Worker } from 'node:worker_threads'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { SandboxOptions } from './options.ts'
import { answeredAt, endedAt, type FromWorker, type ToWorker, type WorkerStart } from './protocol.ts'

export type Ask = Extract<FromWorker, { kind: 'ask' }>
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

/** One worker thread for one cell: a request at a time, each with a deadline, past which the thread is ended. */
export class WorkerThread {
  readonly #clock: Clock
  readonly #worker: Worker
  readonly #answers: MessagePort
  readonly #control = new Int32Array(new SharedArrayBuffer(8))
  readonly #booted: Promise<void>
  #pending: Pending | null = null
  #ended: HyphaError | null = null
  /** Answers what modules ask of the host. */
  onAsk: AskHandler = () => {
    throw new HyphaError('internal', 'a worker asks before it has a cell')
  }
  /** Called when the thread ends while it has nothing to do. */
  onDeath: (error: HyphaError) => void = () => undefined

  constructor(options: SandboxOptions, clock: Clock) {
    this.#clock = clock
    const channel = new MessageChannel()
    this.#answers = channel.port1
    const start: WorkerStart & { answers: MessagePort } = { control: this.#control.buffer, answers: channel.port2 }
    this.#worker = startWorker(options, start, [channel.port2])
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#booted = promise
    this.#booted.catch(() => undefined)
    this.#worker.on('message', (message: FromWorker) => {
      if (message.kind === 'booted') resolve()
      else if (message.kind === 'ask') this.#answer(message)
      else this.#settle(message)
    })
    this.#worker.on('error', (error) => this.#died(new HyphaError('cell-died', explainDeath(error), { cause: error })))
    this.#worker.on('exit', () => {
      const error = new HyphaError('cell-died', 'the thread of the cell ended')
      this.#died(error)
      reject(this.#ended ?? error)
    })
    this.#answers.unref()
  }

  /**
   * Sends one message and waits for its answer. Rejects with `turn-deadline` after `deadlineMs`, with `cell-died` when the thread ends;
   * both leave the thread ended.
   */
  async request(message: ToWorker, deadlineMs: number): Promise<Answer> {
    await this.#booted
    if (this.#ended !== null) throw this.#ended
    if (this.#pending !== null) throw new HyphaError('internal', 'a cell was given two things to do at once')
    return await new Promise<Answer>((resolve, reject) => {
      const turn = message.kind === 'turn' ? message.number : null
      const dueAt = this.#clock.monotonic() + deadlineMs
      const pending = { resolve, reject, turn, dueAt, cancelDeadline: () => undefined }
      this.#pending = pending
      this.#watch(pending, deadlineMs)
      this.#worker.postMessage(message)
    })
  }

  /** Ends the thread, whatever it does, also where it is blocked or loops without end. */
  async end(): Promise<void> {
    this.#ended ??= new HyphaError('cell-died', 'the cell was stopped')
    this.#answers.close()
    await this.#worker.terminate()
  }

  #watch(pending: Pending, afterMs: number): void {
    pending.cancelDeadline = this.#clock.after(afterMs, () => {
      if (this.#pending !== pending) return
      const late = this.#clock.monotonic() - pending.dueAt
      // Its answer is on the way, or was asked for while this thread was busy elsewhere.
      const ended = pending.turn !== null && Atomics.load(this.#control, endedAt) === pending.turn
      if (ended || late > lateMs) {
        pending.dueAt = this.#clock.monotonic() + Math.max(late, lateMs)
        this.#watch(pending, Math.max(late, lateMs))
        return
      }
      this.#died(new HyphaError('turn-deadline', 'the turn did not return before its deadline'))
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
    if (first) {
      this.#answers.close()
      void this.#worker.terminate()
    }
    if (pending !== null) {
      pending.cancelDeadline()
      pending.reject(error)
    } else if (first) this.onDeath(error)
  }

  #answer(ask: Ask): void {
    const leftMs = this.#pending === null ? 0 : Math.max(0, this.#pending.dueAt - this.#clock.monotonic())
    let answer: unknown
    try {
      answer = this.onAsk(ask, leftMs)
    } catch (thrown) {
      this.#reply({ error: asHyphaError(thrown).toJSON() })
      return
    }
    if (!(answer instanceof Promise)) {
      this.#reply({ value: answer })
      return
    }
    answer.then(
      (value) => this.#reply({ value }),
      (thrown) => this.#reply({ error: asHyphaError(thrown).toJSON() }),
    )
  }

  #reply(message: object): void {
    if (this.#ended !== null) return
    this.#answers.postMessage(message)
    Atomics.add(this.#control, answeredAt, 1)
    Atomics.notify(this.#control, answeredAt)
  }
}

/** Starts a worker that is confined as cells are. */
export function startWorker(options: SandboxOptions, workerData: object, transferList: Transferable[] = []): Worker {
  return new Worker(options.workerUrl, {
    // It must name the permission model: with an empty list the worker would escape the one that the agent runs under.
    execArgv: [
      '--permission',
      ...options.codeFolders.map((folder) => `--allow-fs-read=${folder}`),
      '--disable-warning=PERM0006',
    ],
    env: {},
    argv: [],
    resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: options.heapMb, stackSizeMb: 1 },
    workerData,
    transferList,
  })
}

function explainDeath(error: unknown): string {
  const code = (error as { code?: unknown }).code
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return 'what the module passed to the host is more than the cell can hold'
  return `the thread of the cell failed: ${error instanceof Error ? error.message : String(error)}`
}
