import type { AddressInfo, Socket } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { HyphaError } from '@hypha/core/errors.ts'

export interface TlsListenerOptions {
  readonly host: string
  readonly port: number
  /** PEM: the server's key, its certificate with the chain, and the CA that clients' certificates must be of. */
  readonly key: string
  readonly certificate: string
  readonly ca: string
  /** A handshake that takes longer is ended. */
  readonly handshakeTimeoutMs: number
  /** How long a TLS session can be resumed. */
  readonly sessionSeconds: number
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  /** A verified client. */
  readonly onConnection: (socket: TLSSocket) => void
  /** A connection that did not come to that, in words. */
  readonly onRefused: (address: string, why: string) => void
}

export interface TlsListener {
  listen(): Promise<{ port: number }>
  /** Ends all connections. */
  close(): Promise<void>
}

/** A TLS 1.3 server that lets in only clients with a certificate of the CA, and only so many from one address. */
export function createTlsListener(options: TlsListenerOptions): TlsListener {
  const server = createServer({
    key: options.key,
    cert: options.certificate,
    ca: options.ca,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
    handshakeTimeout: options.handshakeTimeoutMs,
    sessionTimeout: options.sessionSeconds,
    // Without it the handshake's last flight waits 40 ms for an acknowledgement.
    noDelay: true,
  })
  server.maxConnections = options.maxConnections
  server.on('drop', (dropped) => options.onRefused(dropped?.remoteAddress ?? '?', 'too many connections in all'))

  // Counted from the first packet on, so that half-open handshakes count too.
  const raw = new Set<Socket>()
  const perAddress = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '?'
    const count = (perAddress.get(address) ?? 0) + 1
    perAddress.set(address, count)
    raw.add(socket)
    socket.once('close', () => {
      raw.delete(socket)
      const left = perAddress.get(address)! - 1
      if (left > 0) perAddress.set(address, left)
      else perAddress.delete(address)
    })
    if (count > options.maxConnectionsPerAddress) {
      options.onRefused(address, `more than ${options.maxConnectionsPerAddress} connections from one address`)
      socket.destroy()
    }
  })
  server.on('secureConnection', options.onConnection)
  server.on('tlsClientError', (error, socket) => {
    options.onRefused(socket.remoteAddress ?? '?', error.message)
    socket.destroy()
  })

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        const failed = (cause: Error) => {
          const at = `${options.host}:${options.port}`
          const message = `The broker can't listen on ${at}: ${cause.message}`
          reject(new HyphaError('broker-not-listening', message, { cause }))
        }
        server.once('error', failed)
        server.listen(options.port, options.host, () => {
          server.off('error', failed)
          // Such as no file descriptors left for another connection: those that are there go on.
          server.on('error', (error) => options.onRefused('?', error.message))
          resolve({ port: (server.address() as AddressInfo).port })
        })
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of raw) socket.destroy()
      }),
  }
}
