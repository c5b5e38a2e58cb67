import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** A network path to a port on this machine that a test can cut. */
export class CutProxy {
  readonly #server: Server
  readonly #ends = new Set<Socket>()

  private constructor(toPort: number) {
    this.#server = createServer((near) => {
      const far = connect(toPort, '127.0.0.1')
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#ends.add(one)
        one.setNoDelay(true)
        one.on('error', () => one.destroy())
        one.on('close', () => {
          this.#ends.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
    }).listen(0, '127.0.0.1')
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

  /** Drops what is connected, with all that is on its way. */
  cut(): void {
    for (const socket of this.#ends) socket.resetAndDestroy()
  }

  close(): void {
    this.#server.close()
    this.cut()
  }
}
