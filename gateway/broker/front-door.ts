import type { Socket } from 'node:net'
import { addressGroup } from './address.ts'
import { Buckets, type Rate } from './bucket.ts'
import { awaitHello, ticketNameOf } from './client-hello.ts'

/** What strangers may take of the gateway before their certificate was seen. All of it also counts for IPv6 by the /64. */
export interface FrontDoorLimits {
  /** Connections in all, and from one address, in whatever stage. */
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  /** New connections from one address. One whose handshake fails counts as ten. */
  readonly connectionRatePerAddress: Rate
  /** Connections that haven't sent a whole ClientHello, and how long they may take: beyond, the oldest make room. */
  readonly maxSilent: number
  readonly helloTimeoutMs: number
  /** Handshakes that OpenSSL is at, in all and from one address, and how many are begun in one turn of the event loop. */
  readonly maxHandshakes: number
  readonly maxHandshakesPerAddress: number
  readonly handshakesPerTurn: number
  /** Where others wait, a handshake that takes longer than this makes room for them; in any case it ends after the second. */
  readonly handshakeGraceMs: number
  readonly handshakeTimeoutMs: number
  /** Whole ClientHellos that wait for their turn; beyond, one of the address that has most of them is refused, and its node comes back later. */
  readonly maxWaiting: number
}

interface FrontDoorPorts {
  /** Begins the TLS handshake; `ticketName` is of the session that the client wants to resume. */
  readonly begin: (socket: Socket, ticketName: string | null) => void
  readonly onRefused: (address: string, why: string) => void
  readonly now: () => number
}

interface Source {
  readonly address: string
  connections: number
  handshakes: number
  readonly waiting: Set<Visitor>
}

interface Visitor {
  readonly socket: Socket
  readonly source: Source
  stage: 'silent' | 'waiting' | 'handshake' | 'in'
  /** When it came to its stage. */
  since: number
  ticketName: string | null
}

const failureCost = 9
const sweepEveryMs = 100

/**
 * Stands between TCP and TLS. A connection costs a few kilobytes until it has sent a whole ClientHello; only then does it get in line for one of few handshakes, where
 * addresses take turns. So those who send nothing, or a byte a second, take no place from others; and however many come, what is done for them in one turn of the
 * event loop has a bound, and the nodes that are in are served in between.
 */
export class FrontDoor {
  readonly #limits: FrontDoorLimits
  readonly #ports: FrontDoorPorts
  readonly #visitors = new Map<Socket, Visitor>()
  readonly #byPeer = new Map<string, Visitor>()
  readonly #sources = new Map<string, Source>()
  readonly #rates: Buckets
  // Sets keep the order of insertion: the first is the oldest.
  readonly #silent = new Set<Visitor>()
  readonly #handshakes = new Set<Visitor>()
  /** Addresses with someone in line, in the order of their turns. */
  readonly #turns = new Set<Source>()
  #waiting = 0
  #scheduled: NodeJS.Immediate | null = null
  #sweeper: NodeJS.Timeout | null = null

  constructor(limits: FrontDoorLimits, ports: FrontDoorPorts) {
    this.#limits = limits
    this.#ports = ports
    this.#rates = new Buckets(limits.connectionRatePerAddress)
  }

  /** A connection that TCP has accepted. */
  enter(socket: Socket): void {
    const address = addressGroup(socket.remoteAddress)
    // Resets reach the raw socket until TLS has taken it over; its end is what counts.
    socket.on('error', () => socket.destroy())
    const refusal = this.#refusal(address)
    if (refusal !== null) {
      this.#ports.onRefused(address, refusal)
      socket.destroy()
      return
    }
    const source = this.#sources.get(address) ?? { address, connections: 0, handshakes: 0, waiting: new Set<Visitor>() }
    this.#sources.set(address, source)
    source.connections++
    const visitor: Visitor = { socket, source, stage: 'silent', since: this.#ports.now(), ticketName: null }
    this.#visitors.set(socket, visitor)
    // The ends are known only while it is open.
    const peer = peerOf(socket)
    this.#byPeer.set(peer, visitor)
    this.#silent.add(visitor)
    socket.once('close', () => this.#left(visitor, peer))
    awaitHello(socket, (hello) => {
      if (hello === null) this.#end(visitor, 'it does not speak TLS')
      else this.#queue(visitor, ticketNameOf(hello))
    })
    if (this.#silent.size > this.#limits.maxSilent) this.#end(first(this.#silent)!, 'too many connections say nothing')
    this.#sweeper ??= setInterval(() => this.#sweep(), sweepEveryMs).unref()
  }

  #refusal(address: string): string | null {
    const { maxConnections, maxConnectionsPerAddress } = this.#limits
    if (!this.#rates.of(address, this.#ports.now()).take(1, this.#ports.now()))
      return 'too many new connections from one address'
    if ((this.#sources.get(address)?.connections ?? 0) >= maxConnectionsPerAddress) {
      return `more than ${maxConnectionsPerAddress} connections from one address`
    }
    if (this.#visitors.size >= maxConnections) {
      const oldest = first(this.#silent)
      if (!oldest) return 'too many connections in all'
      this.#end(oldest, 'too many connections in all')
    }
    return null
  }

  #queue(visitor: Visitor, ticketName: string | null): void {
    if (visitor.stage !== 'silent') return
    visitor.ticketName = ticketName
    this.#silent.delete(visitor)
    if (this.#waiting >= this.#limits.maxWaiting && !this.#shorten(visitor.source)) {
      this.#ports.onRefused(visitor.source.address, 'too many handshakes wait')
      visitor.socket.destroy()
      return
    }
    visitor.stage = 'waiting'
    visitor.since = this.#ports.now()
    visitor.source.waiting.add(visitor)
    this.#waiting++
    this.#turns.add(visitor.source)
    this.#schedule()
  }

  /** Makes a place in a full line, at the cost of the address that has most in it; false where that is the newcomer's own. */
  #shorten(newcomer: Source): boolean {
    let longest = newcomer
    for (const source of this.#turns) if (source.waiting.size > longest.waiting.size) longest = source
    // With one less it must still have as much as the newcomer then has: else they would push each other out.
    if (longest.waiting.size <= newcomer.waiting.size + 1) return false
    this.#end([...longest.waiting].at(-1)!, 'too many handshakes wait, most of them from this address')
    return true
  }

  #schedule(): void {
    if (this.#waiting === 0) return
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = null
      this.#beginSome()
    })
  }

  #beginSome(): void {
    const { handshakesPerTurn } = this.#limits
    for (let begun = 0; begun < handshakesPerTurn; begun++) {
      const next = this.#next()
      if (next === null) {
        this.#makeRoom()
        return
      }
      this.#begin(next)
    }
    this.#schedule()
  }

  /** Whose turn it is; null when nobody waits whose address has a place free. */
  #next(): Visitor | null {
    const { maxHandshakes, maxHandshakesPerAddress } = this.#limits
    if (this.#handshakes.size >= maxHandshakes) return null
    for (const source of this.#turns) {
      if (source.handshakes >= maxHandshakesPerAddress) continue
      this.#turns.delete(source)
      const visitor = first(source.waiting)!
      this.#unqueue(visitor)
      if (source.waiting.size > 0) this.#turns.add(source)
      return visitor
    }
    return null
  }

  #unqueue(visitor: Visitor): void {
    visitor.source.waiting.delete(visitor)
    this.#waiting--
    if (visitor.source.waiting.size === 0) this.#turns.delete(visitor.source)
  }

  #begin(visitor: Visitor): void {
    visitor.stage = 'handshake'
    visitor.since = this.#ports.now()
    visitor.source.handshakes++
    this.#handshakes.add(visitor)
    this.#ports.begin(visitor.socket, visitor.ticketName)
  }

  /** Handshakes in which nothing goes on end for those who wait. */
  #makeRoom(): void {
    if (this.#waiting === 0) return
    const late = this.#ports.now() - this.#limits.handshakeGraceMs
    for (const visitor of this.#handshakes) {
      if (visitor.since > late) return
      this.#end(visitor, 'its handshake takes long, and others wait')
    }
  }

  /** The handshake of a socket (its TLS socket has the same ends) is done. */
  secured(socket: Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress'>): void {
    const visitor = this.#byPeer.get(peerOf(socket))
    if (visitor?.stage !== 'handshake') return
    this.#leaveHandshake(visitor)
    visitor.stage = 'in'
  }

  /** The handshake of a socket failed. */
  failed(socket: Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress'>, why: string): void {
    const visitor = this.#byPeer.get(peerOf(socket))
    if (visitor?.stage === 'handshake') this.#end(visitor, why)
  }

  #leaveHandshake(visitor: Visitor): void {
    this.#handshakes.delete(visitor)
    visitor.source.handshakes--
    this.#schedule()
  }

  #end(visitor: Visitor, why: string): void {
    const { address } = visitor.source
    const now = this.#ports.now()
    // Who waits in vain isn't at fault.
    if (visitor.stage !== 'waiting') this.#rates.of(address, now).charge(failureCost, now)
    this.#ports.onRefused(address, why)
    visitor.socket.destroy()
    this.#forget(visitor)
  }

  /** Idempotent: `destroy` tells of the end only later. */
  #forget(visitor: Visitor): void {
    if (visitor.stage === 'silent') this.#silent.delete(visitor)
    else if (visitor.stage === 'waiting') this.#unqueue(visitor)
    else if (visitor.stage === 'handshake') this.#leaveHandshake(visitor)
    visitor.stage = 'in'
  }

  #left(visitor: Visitor, peer: string): void {
    this.#forget(visitor)
    this.#visitors.delete(visitor.socket)
    if (this.#byPeer.get(peer) === visitor) this.#byPeer.delete(peer)
    const { source } = visitor
    if (--source.connections === 0) this.#sources.delete(source.address)
  }

  #sweep(): void {
    const now = this.#ports.now()
    const { helloTimeoutMs, handshakeTimeoutMs } = this.#limits
    const endLate = (visitors: Iterable<Visitor>, afterMs: number, why: string) => {
      for (const visitor of visitors) {
        if (now - visitor.since < afterMs) return
        this.#end(visitor, why)
      }
    }
    endLate(this.#silent, helloTimeoutMs, 'it did not begin a handshake in time')
    endLate(this.#handshakes, handshakeTimeoutMs, 'its handshake took too long')
    for (const { waiting } of this.#turns) endLate(waiting, handshakeTimeoutMs, 'its handshake could not begin in time')
    this.#makeRoom()
    if (this.#silent.size + this.#handshakes.size + this.#waiting > 0) return
    clearInterval(this.#sweeper!)
    this.#sweeper = null
  }

  /** Ends all connections. */
  close(): void {
    for (const { socket } of [...this.#visitors.values()]) socket.destroy()
    if (this.#scheduled) clearImmediate(this.#scheduled)
    clearInterval(this.#sweeper ?? undefined)
  }
}

const first = <T>(items: Iterable<T>): T | undefined => items[Symbol.iterator]().next().value as T | undefined

const peerOf = ({
  remoteAddress,
  remotePort,
  localAddress,
}: Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress'>) => `${remoteAddress} ${remotePort} ${localAddress}`
