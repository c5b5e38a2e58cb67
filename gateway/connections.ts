import { isIPv6, type Socket } from 'node:net'
import { Buckets, type Rate } from './broker/bucket.ts'

/**
 * Whom an address counts as. One customer of IPv6 has a whole /64 to choose from, so that all of it counts as one; an IPv4 address that came through an IPv6
 * socket is itself.
 */
export function addressGroup(address: string): string {
  const [plain = ''] = address.split('%')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)
  if (mapped) return mapped[1]!
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  // "::" stands for as many zeros as eight groups lack.
  const gap = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  const groups = [...before, ...Array<string>(gap).fill('0'), ...after].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

export interface ConnectionLimits {
  /** Open at once, in all. */
  readonly total: number
  /** Open at once from one address. */
  readonly perAddress: number
  /** New ones from one address: each costs a handshake, which is more than most requests. */
  readonly rate: Rate
}

/**
 * Counts open connections from their first packet on, so that half-open handshakes count too. When all places are taken, the oldest connection of which
 * nobody has vouched gives way to the new one: strangers can only push out one another.
 */
export class Connections {
  readonly #limits: ConnectionLimits
  readonly #onRefused: (address: string, why: string) => void
  readonly #perGroup = new Map<string, number>()
  /** By address and port: what a TLS socket and the TCP socket under it have in common. */
  readonly #strangers = new Map<string, Socket>()
  readonly #vouched = new Set<string>()
  readonly #rates: Buckets
  readonly #now: () => number

  constructor(
    limits: ConnectionLimits,
    now: () => number,
    onRefused: (address: string, why: string) => void = () => undefined,
  ) {
    this.#limits = limits
    this.#now = now
    this.#rates = new Buckets(limits.rate)
    this.#onRefused = onRefused
  }

  /** Counts a connection until it closes; false for one over the limits, which is ended. */
  admit(socket: Socket): boolean {
    const address = socket.remoteAddress ?? '?'
    const group = addressGroup(address)
    const count = this.#perGroup.get(group) ?? 0
    const { total, perAddress } = this.#limits
    const now = this.#now()
    if (!this.#rates.of(group, now).take(1, now)) {
      return this.#refuse(socket, address, 'too many new connections from one address')
    }
    if (count >= perAddress)
      return this.#refuse(socket, address, `more than ${perAddress} connections from one address`)
    if (this.#strangers.size + this.#vouched.size >= total && !this.#makeRoom()) {
      return this.#refuse(socket, address, 'too many connections in all')
    }
    this.#perGroup.set(group, count + 1)
    const name = nameOf(socket)
    this.#strangers.set(name, socket)
    socket.once('close', () => {
      this.#strangers.delete(name)
      this.#vouched.delete(name)
      const left = this.#perGroup.get(group)! - 1
      if (left > 0) this.#perGroup.set(group, left)
      else this.#perGroup.delete(group)
    })
    return true
  }

  /** Who is behind the connection has proven itself: it keeps its place. */
  vouch(socket: Socket): void {
    const name = nameOf(socket)
    if (this.#strangers.delete(name)) this.#vouched.add(name)
  }

  #makeRoom(): boolean {
    const [entry] = this.#strangers
    if (entry === undefined) return false
    const [name, oldest] = entry
    this.#onRefused(oldest.remoteAddress ?? '?', 'too many connections in all: the oldest stranger gives way')
    this.#strangers.delete(name)
    oldest.destroy()
    return true
  }

  #refuse(socket: Socket, address: string, why: string): false {
    this.#onRefused(address, why)
    socket.destroy()
    return false
  }
}

const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`
