import { createHash } from 'node:crypto'
import { type AddressInfo, createServer } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import { HyphaError } from '@hypha/core/errors.ts'
import { FrontDoor, type FrontDoorLimits } from './front-door.ts'
import { type TicketKeys, ticketKeyName } from './ticket-keys.ts'

/** PEM: the server's key, its certificate with the chain, and the CAs of which clients' certificates must be, the server's own first. */
export interface TlsFiles {
  readonly key: string
  readonly certificate: string
  readonly ca: string
}

export interface TlsListenerOptions extends FrontDoorLimits, TlsFiles {
  readonly host: string
  readonly port: number
  readonly ticketKeys: TicketKeys
  /** How long a TLS session can be resumed. */
  readonly sessionSeconds: number
  /** By which clients may say that they don't speak MQTT (ALPN); null for none. */
  readonly otherProtocol: string | null
  /** A verified client. */
  readonly onConnection: (socket: TLSSocket) => void
  /** A connection that did not come to that, in words. */
  readonly onRefused: (address: string, why: string) => void
  readonly now: () => number
}

export interface TlsListener {
  listen(): Promise<{ port: number }>
  /** Shows another certificate to whoever connects from now on, and resumes no session of before. */
  use(files: TlsFiles): void
  /** Ends all connections. */
  close(): Promise<void>
}

/** Connections that the kernel keeps until they are accepted: a fleet that comes back comes within a second. */
const backlog = 4_096
const rotationCheckMs = 600_000
/** Of Node's timers; without one a server takes two minutes. */
const longestTimerMs = 2 ** 31 - 1

/** A TLS 1.3 server that lets in only clients with a certificate of the CA, through the front door. */
export function createTlsListener(options: TlsListenerOptions): TlsListener {
  const tls = new TlsServers(options, (server) => {
    server.on('secureConnection', (socket) => {
      door.secured(socket)
      options.onConnection(socket)
    })
    server.on('tlsClientError', (error, socket) => {
      door.failed(socket, error.message)
      socket.destroy()
    })
  })
  const door: FrontDoor = new FrontDoor(options, {
    begin: (socket, ticketName) => tls.for(ticketName).emit('connection', socket),
    onRefused: options.onRefused,
    now: options.now,
  })
  // Without noDelay the handshake's last flight waits 40 ms for an acknowledgement; without keepAlive a peer that lost its power stays for ever.
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) =>
    door.enter(socket),
  )
  const rotation = setInterval(() => tls.refresh(), rotationCheckMs).unref()

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        const failed = (cause: Error) => {
          const at = `${options.host}:${options.port}`
          const message = `The broker can't listen on ${at}: ${cause.message}`
          reject(new HyphaError('broker-not-listening', message, { cause }))
        }
        server.once('error', failed)
        server.listen({ port: options.port, host: options.host, backlog }, () => {
          server.off('error', failed)
          // Such as no file descriptors left for another connection: those that are there go on.
          server.on('error', (error) => options.onRefused('?', error.message))
          resolve({ port: (server.address() as AddressInfo).port })
        })
      }),
    use: (files) => tls.use(files),
    close: () =>
      new Promise((resolve) => {
        clearInterval(rotation)
        server.close(() => resolve())
        door.close()
      }),
  }
}

/**
 * OpenSSL takes one set of ticket keys for a server, so there is one server for each key, of which none listens: a connection goes to the one whose key its session is
 * under, and to the newest if it has none.
 */
class TlsServers {
  #options: TlsListenerOptions
  readonly #prepare: (server: TlsServer) => void
  #servers = new Map<string, TlsServer>()
  #newest: TlsServer

  constructor(options: TlsListenerOptions, prepare: (server: TlsServer) => void) {
    this.#options = options
    this.#prepare = prepare
    this.#newest = this.refresh()
  }

  for(ticketName: string | null): TlsServer {
    return (ticketName === null ? undefined : this.#servers.get(ticketName)) ?? this.#newest
  }

  use(files: TlsFiles): void {
    this.#options = { ...this.#options, ...files }
    this.#servers = new Map()
    this.refresh()
  }

  refresh(): TlsServer {
    const keys = this.#options.ticketKeys.current()
    this.#servers = new Map(
      keys.map((key) => [ticketKeyName(key), this.#servers.get(ticketKeyName(key)) ?? this.#create(key)]),
    )
    this.#newest = this.#servers.get(ticketKeyName(keys[0]!))!
    return this.#newest
  }

  #create(ticketKey: Buffer): TlsServer {
    const { key, certificate, ca, sessionSeconds, otherProtocol } = this.#options
    const server = createTlsServer({
      key,
      cert: certificate,
      ca,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
      // The front door ends what takes too long, and says so: whatever is here came through it.
      handshakeTimeout: longestTimerMs,
      sessionTimeout: sessionSeconds,
      ticketKeys: ticketKey,
      // Whatever else a client of MQTT names is taken for that: undefined would refuse it.
      ALPNCallback: ({ protocols }) =>
        otherProtocol !== null && protocols.includes(otherProtocol) ? otherProtocol : protocols[0],
      // A resumed session isn't verified again: it ends with the authority that verified it.
      sessionIdContext: createHash('sha256').update(ca).digest('hex').slice(0, 32),
    })
    this.#prepare(server)
    return server
  }
}
