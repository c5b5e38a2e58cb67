import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** A network path to a port on this machine that a test can cut, hold up, and make long or narrow. */
export class CutProxy {
  readonly #server: Server
  readonly #ends = new Set<Socket>()
  /** Those of them on the other side. */
  readonly #fars = new Set<Socket>()
  readonly #held = new Set<Socket>()
  #holding = false
  #silent = false
  /** One way, in ms. */
  delayMs = 0
  /** To those that have connected; what they send isn't slowed down. */
  bytesPerS = Number.POSITIVE_INFINITY

  private constructor(toPort: number) {
    this.#server = createServer((near) => {
      const far = connect(toPort, '127.0.0.1')
      this.#fars.add(far)
      this.#forward(near, far, () => 0)
      this.#forward(far, near, (bytes) => (bytes / this.bytesPerS) * 1_000)
      if (this.#holding) this.#pause(far)
      if (this.#silent) this.#pause(near)
    }).listen(0, '127.0.0.1')
  }

  #forward(from: Socket, to: Socket, takesMs: (bytes: number) => number): void {
    this.#ends.add(from)
    from.setNoDelay(true)
    from.on('error', () => from.destroy())
    from.on('close', () => {
      this.#ends.delete(from)
      this.#fars.delete(from)
      this.#held.delete(from)
      to.destroy()
    })
    // In order, also where the delay changes in between.
    let due = 0
    const later = (bytes: number, run: () => void) => {
      due = Math.max(due, performance.now() + this.delayMs) + takesMs(bytes)
      const inMs = due - performance.now()
      if (inMs <= 0) run()
      else setTimeout(run, inMs)
    }
    from.on('data', (chunk) => {
      later(chunk.length, () => {
        if (!to.write(chunk) && !this.#held.has(from)) {
          from.pause()
          to.once('drain', () => this.#held.has(from) || from.resume())
        }
      })
    })
    from.on('end', () => later(0, () => to.end()))
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

  /** Lets nothing more through to those that have connected, or do; what they send goes on. */
  hold(): void {
    this.#holding = true
    for (const far of this.#fars) this.#pause(far)
  }

  /** Lets nothing through either way, and no end hears of it. */
  silence(): void {
    this.#holding = true
    this.#silent = true
    for (const end of this.#ends) this.#pause(end)
  }

  #pause(end: Socket): void {
    this.#held.add(end)
    end.pause()
  }

  letGo(): void {
    this.#holding = false
    this.#silent = false
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
