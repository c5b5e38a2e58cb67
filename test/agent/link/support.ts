import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Link, LinkOptions } from '../../../agent/link/link.ts'
import { createLink } from '../../../agent/link/mqtt-link.ts'
import type { HyphaError } from '../../../src/errors.ts'
import type { Credentials } from '../../gateway/broker/support.ts'

/** A wire between a node and its broker that a test can cut, keep cut, or let go silent. */
export interface Wire {
  readonly port: number
  /** Connections so far. */
  count: number
  /** Where new connections lead; a broker that was restarted has another port. */
  target: number
  /** New connections are ended at once while it is set. */
  down: boolean
  cut(): void
  /** As a cut, but the node is told so by a reset. */
  reset(): void
  /** From now on nothing passes, and nothing is closed. */
  silence(): void
  close(): Promise<void>
}

export async function startWire(target: number): Promise<Wire> {
  const pairs = new Set<[Socket, Socket]>()
  const server: Server = createServer((near) => {
    wire.count++
    if (wire.down) {
      near.destroy()
      return
    }
    const far = connect(wire.target, '127.0.0.1')
    const pair: [Socket, Socket] = [near, far]
    pairs.add(pair)
    near.pipe(far).pipe(near)
    for (const socket of pair) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        pairs.delete(pair)
        for (const each of pair) each.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const wire: Wire = {
    port: (server.address() as AddressInfo).port,
    count: 0,
    target,
    down: false,
    cut() {
      for (const [near] of pairs) near.destroy()
    },
    reset() {
      for (const [near] of pairs) near.resetAndDestroy()
    },
    silence() {
      for (const [near, far] of pairs) {
        near.unpipe(far)
        far.unpipe(near)
        near.resume()
        far.resume()
      }
    },
    close() {
      wire.cut()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return wire
}

export interface TestLink {
  readonly link: Link
  readonly errors: HyphaError[]
  readonly states: string[]
  /** The waits that the link asked for, in milliseconds; each is over as soon as the event loop turns. */
  readonly waits: number[]
}

export function openLink(port: number, node: Credentials, more: Partial<LinkOptions> = {}): TestLink {
  const errors: HyphaError[] = []
  const waits: number[] = []
  let connection = 0
  const link = createLink({
    fleet: 'greens',
    node: node.id,
    host: '127.0.0.1',
    port,
    ca: node.ca,
    certificate: node.cert,
    key: node.key,
    nextConnection: () => ++connection,
    clock: {
      after(delayMs, run) {
        waits.push(delayMs)
        const timer = setTimeout(run, delayMs >= 1_000 ? delayMs : 1)
        return () => clearTimeout(timer)
      },
    },
    random: () => 0.5,
    onError: (error) => errors.push(error),
    ...more,
  })
  const states: string[] = []
  link.onState((state) => states.push(state))
  return { link, errors, states, waits }
}

export const untilOnline = (link: Link): Promise<void> => untilState(link, 'online')

export function untilState(link: Link, wanted: string): Promise<void> {
  return new Promise((resolve) => {
    if (link.state === wanted) {
      resolve()
      return
    }
    const stop = link.onState((state) => {
      if (state !== wanted) return
      stop()
      resolve()
    })
  })
}
