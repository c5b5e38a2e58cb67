import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'

/**
 * Hands out rising numbers to the agent's `socket` driver (`read NAME` is answered with a number), from a process that nobody kills: the truth about what was
 * measured lies here. A module that emits what it reads, once a turn, proves with its next read on the same connection that its turn before was journaled: only
 * then a number counts.
 */
export class NumberSource {
  readonly path: string
  /** Numbers whose turn has ended for sure. */
  readonly counted: number[] = []
  /** The highest number that was handed out. */
  given = 0
  /** From now on there are none. */
  ended = false
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(path: string) {
    this.path = path
    this.#server = createServer((socket) => this.#serve(socket)).listen(path)
  }

  static async listen(path: string): Promise<NumberSource> {
    rmSync(path, { force: true })
    const source = new NumberSource(path)
    await once(source.#server, 'listening')
    return source
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #serve(socket: Socket): void {
    let last: number | null = null
    this.#sockets.add(socket)
    socket.setEncoding('utf8')
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', (text: string) => {
      // The driver asks again only when it was answered: what comes is whole lines, and one at a time.
      if (!text.endsWith('\n')) return
      if (last !== null) this.counted.push(last)
      last = this.ended ? null : ++this.given
      socket.write(`${last ?? 'none'}\n`)
    })
  }
}
