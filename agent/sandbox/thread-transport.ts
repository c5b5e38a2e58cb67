import { MessageChannel, type MessagePort, type Transferable, Worker } from 'node:worker_threads'
import { HyphaError } from '@hypha/core/errors.ts'
import type { SandboxOptions } from './options.ts'
import {
  answeredAt,
  controlBytes,
  endedAt,
  type FromWorker,
  go,
  heldAt,
  insideAt,
  sentAt,
  skip,
  type ToWorker,
  type WorkerStart,
} from './protocol.ts'
import type { AskAnswer, CellTransport, TransportEvents, Turn } from './transport.ts'

type Confinement = Pick<SandboxOptions, 'workerUrl' | 'codeFolders' | 'heapMb'>

/** A cell's program in a worker thread of this process. A module that asks is blocked on shared memory until the answer is there. */
export class ThreadTransport implements CellTransport {
  readonly #worker: Worker
  readonly #answers: MessagePort
  readonly #control = new Int32Array(new SharedArrayBuffer(controlBytes))
  #ended = false

  constructor(options: Confinement) {
    const { port1, port2 } = new MessageChannel()
    this.#answers = port1
    const start: WorkerStart & { answers: MessagePort } = { control: this.#control.buffer, answers: port2 }
    this.#worker = startWorker(options, start, [port2])
    this.#answers.unref()
  }

  listen({ message, died }: TransportEvents): void {
    this.#worker.on('message', (received: FromWorker) => message(received))
    this.#worker.on('error', (error) => died(new HyphaError('cell-died', explainDeath(error), { cause: error })))
    this.#worker.on('exit', () => died(new HyphaError('cell-died', 'the thread of the cell ended')))
  }

  send(message: ToWorker): void {
    this.#worker.postMessage(message)
    Atomics.add(this.#control, sentAt, 1)
    Atomics.notify(this.#control, sentAt)
  }

  /** A thread takes some 50 µs to wake: meanwhile this one does what comes first. */
  sendTurn(turn: Turn, first: () => boolean): void {
    Atomics.store(this.#control, heldAt, turn.number)
    this.send(turn)
    Atomics.store(this.#control, heldAt, first() ? go : skip)
    Atomics.notify(this.#control, heldAt)
  }

  answer(answer: AskAnswer): void {
    if (this.#ended) return
    this.#answers.postMessage(answer)
    Atomics.add(this.#control, answeredAt, 1)
    Atomics.notify(this.#control, answeredAt)
  }

  hasEnded(turn: number): boolean {
    return Atomics.load(this.#control, endedAt) === turn
  }

  inside(): number | null {
    const inside = Atomics.load(this.#control, insideAt)
    return inside === 0 ? null : inside - 1
  }

  async end(): Promise<void> {
    this.#ended = true
    this.#answers.close()
    await this.#worker.terminate()
  }
}

/** Starts a worker that is confined as cells are. */
export function startWorker(options: Confinement, workerData: object, transferList: Transferable[] = []): Worker {
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
