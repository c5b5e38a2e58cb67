import type { Socket } from 'node:net'
import { asHyphaError, type ErrorJson, HyphaError } from '@hypha/core/errors.ts'
import { Frames } from './frames.ts'
import type { CellModule, FromWorker, ToWorker, Transpiled } from './protocol.ts'
import type { AskAnswer, CellTransport, TransportEvents, Turn } from './transport.ts'

/** A process that the helper has started. */
interface ChildProcess {
  readonly socket: Socket
  /** Kills it, whatever it does. */
  end(): void
}

/** Takes a component apart. Rejects with `module-unloadable`, `wasm-memory` or `cell-died`. */
export type Transpile = (module: CellModule) => Promise<Transpiled>

/** What one turn may leave behind is capped in the worker; a process that sends more than all of that is not to be trusted. */
const maxMessageBytes = 32 * 1024 * 1024

/**
 * A cell's program in a process of its own: the same messages, over a socket. What answers an `ask` goes the same way. Components are taken apart
 * before they are sent.
 */
export class ProcessTransport implements CellTransport {
  readonly #process: ChildProcess
  readonly #transpile: Transpile
  #events: TransportEvents | null = null
  #frames: Frames | null = null
  #ended = false

  constructor(process: ChildProcess, transpile: Transpile) {
    this.#process = process
    this.#transpile = transpile
  }

  listen(events: TransportEvents): void {
    const { message, died } = events
    const { socket } = this.#process
    this.#events = events
    let failure: Pick<Error, 'message'> | null = null
    this.#frames = new Frames(socket, maxMessageBytes, (frame) => {
      const received = frame as FromWorker
      // Its last word says why it ends.
      if (received.kind === 'failed') failure = received.error
      message(received)
    })
    socket.on('error', (error) => {
      failure = error
    })
    socket.on('close', () => {
      this.#ended = true
      const why = failure === null ? 'it ended' : failure.message
      died(new HyphaError('cell-died', `the process of the cell failed: ${why}`, { cause: failure }))
    })
  }

  send(message: ToWorker): void {
    if (message.kind !== 'load') {
      this.#frames!.send(message)
      return
    }
    const takenApart = message.modules.map(async (module) =>
      module.form === 'core'
        ? module
        : { ...module, bytes: new Uint8Array(), transpiled: await this.#transpile(module) },
    )
    Promise.all(takenApart).then(
      (modules) => this.#frames!.send({ ...message, modules }),
      (thrown) => this.#events!.message({ kind: 'failed', error: asHyphaError(thrown).toJSON() }),
    )
  }

  sendTurn(turn: Turn, first: () => boolean): void {
    if (first()) this.#frames!.send(turn)
    else this.#events!.message({ kind: 'skipped' })
  }

  answer(answer: AskAnswer): void {
    if (!this.#ended) this.#frames!.send({ kind: 'answer', answer })
  }

  /** Its answer is on the wire at most for the time that a message takes. */
  inside(): null {
    return null
  }

  hasEnded(): boolean {
    return false
  }

  async end(): Promise<void> {
    this.#ended = true
    this.#process.end()
  }
}

/** A component of 64 MiB and what jco makes of it. */
const maxTranspiledBytes = 256 * 1024 * 1024
const transpileMs = 25_000

/**
 * Takes components apart in a process that `start` gives, one for each, and remembers what came of it as long as the module's bytes are held: a
 * cell that is made anew after a trap needs no jco.
 */
export function transpiler(start: () => ChildProcess): Transpile {
  const done = new WeakMap<Uint8Array, Promise<Transpiled>>()
  return (module) => {
    let made = done.get(module.bytes)
    if (made === undefined) {
      made = transpileIn(start(), module)
      done.set(module.bytes, made)
      // What failed for the machine's reasons may be tried again.
      made.catch(() => done.delete(module.bytes))
    }
    return made
  }
}

async function transpileIn(process: ChildProcess, module: CellModule): Promise<Transpiled> {
  const { promise, resolve, reject } = Promise.withResolvers<{ transpiled: Transpiled } | { error: ErrorJson }>()
  const fail = (why: string) =>
    reject(new HyphaError('cell-died', `module "${module.name}" was not taken apart: its process ${why}`))
  const frames = new Frames(process.socket, maxTranspiledBytes, (answer) => {
    // What is sent before would be read by the helper, which gives the connection away.
    if (answer === 'ready') frames.send(module)
    else resolve(answer as Awaited<typeof promise>)
  })
  const timer = setTimeout(() => fail(`did not answer within ${transpileMs / 1_000} s`), transpileMs)
  process.socket.on('error', (error) => fail(`failed: ${error.message}`))
  process.socket.on('close', () => fail('ended'))
  try {
    const answer = await promise
    if ('transpiled' in answer) return answer.transpiled
    throw new HyphaError(answer.error.code, answer.error.message, answer.error)
  } finally {
    clearTimeout(timer)
    process.end()
  }
}
