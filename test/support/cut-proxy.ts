import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** A network path to a port on this machine that a test can cut, hold up, or make long. */
export class CutProxy {
  readonly #server: Server
  readonly #ends = new Set<Socket>()
  readonly #held = new Set<Socket>()
  /** What still goes to those that have connected, in bytes, until it is held up. */
  #left = Number.POSITIVE_INFINITY
  /** One way, in ms. */
  delayMs = 0

  private constructor(toPort: number) {
    this.#server = createServer((near) => {
      const far = connect(toPort, '127.0.0.1')
      this.#forward(near, far, () => undefined)
      this.#forward(far, near, (bytes) => {
        this.#left -= bytes
        if (this.#left > 0) return
        this.#held.add(far)
        far.pause()
      })
    }).listen(0, '127.0.0.1')
  }

  #forward(from: Socket, to: Socket, passed: (bytes: number) => void): void {
    this.#ends.add(from)
    from.setNoDelay(true)
    from.on('error', () => from.destroy())
    from.on('close', () => {
      this.#ends.delete(from)
      this.#held.delete(from)
      to.destroy()
    })
    // In order, also where the delay changes in between.
    let due = 0
    const later = (run: () => void) => {
      due = Math.max(due, performance.now() + this.delayMs)
      const inMs = due - performance.now()
      if (inMs <= 0) run()
      else setTimeout(run, inMs)
    }
    from.on('data', (chunk) => {
      passed(chunk.length)
      later(() => {
        if (!to.write(chunk) && !this.#held.has(from)) {
          from.pause()
          to.once('drain', () => this.#held.has(from) || from.resume())
        }
      })
    })
    from.on('end', () => later(() => to.end()))
  }

  static async to(port: number): Promise<CutProxy> {
    const proxy = new CutProxy(port)
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  get connected(): boolean {
    return this.#ends.size > 0
  }

  /** Whether something waits to go through. */
  get holds(): boolean {
    return this.#held.size > 0
  }

  /** Lets about so many bytes more through to those that have connected; all else goes on. */
  holdAfter(bytes: number): void {
    this.#left = bytes
  }

  letGo(): void {
    this.#left = Number.POSITIVE_INFINITY
    for (const socket of this.#held) socket.resume()
    this.#held.clear()
  }

  /** Drops what is connected, with all that is on its way. */
  cut(): void {
    for (const socket of this.#ends) socket.resetAndDestroy()
  }

  close(): void {
    this.#server.close()
    this.cut()
  }
}
