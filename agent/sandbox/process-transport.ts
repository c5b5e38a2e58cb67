import type { Socket } from 'node:net'
import { HyphaError } from '@hypha/core/errors.ts'
import { Frames } from './frames.ts'
import type { FromWorker, ToWorker } from './protocol.ts'
import type { AskAnswer, CellTransport, TransportEvents } from './transport.ts'

/** A process that runs components, as the helper gives it. */
export interface ComponentProcess {
  readonly socket: Socket
  /** Kills it, whatever it does. */
  end(): void
}

/** What one turn may leave behind is capped in the worker; a process that sends more than all of that is not to be trusted. */
const maxMessageBytes = 32 * 1024 * 1024

/** A cell's program in a process of its own: the same messages, over a socket. What answers an `ask` goes the same way. */
export class ProcessTransport implements CellTransport {
  readonly #process: ComponentProcess
  #frames: Frames | null = null
  #ended = false

  constructor(process: ComponentProcess) {
    this.#process = process
  }

  listen({ message, died }: TransportEvents): void {
    const { socket } = this.#process
    let failure: Error | null = null
    this.#frames = new Frames(socket, maxMessageBytes, (received) => message(received as FromWorker))
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
    this.#frames!.send(message)
  }

  answer(answer: AskAnswer): void {
    if (!this.#ended) this.#frames!.send({ kind: 'answer', answer })
  }

  /** Its answer is on the wire at most for the time that a message takes. */
  hasEnded(): boolean {
    return false
  }

  async end(): Promise<void> {
    this.#ended = true
    this.#process.end()
  }
}
