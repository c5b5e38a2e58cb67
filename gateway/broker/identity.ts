import type { PeerCertificate, TLSSocket } from 'node:tls'

/** Who is at the other end, as its certificate says. The broker's certificate authority has vouched for it. [P 1.2] */
export interface ClientIdentity {
  /** A node of the fleet, or a client that is none. */
  readonly kind: 'node' | 'client'
  /** The certificate's common name; the MQTT client id is the same. */
  readonly id: string
  /** SHA-256 of the certificate's DER, lower-case hex. */
  readonly fingerprint: string
  /** When the certificate ends, in milliseconds since 1970. */
  readonly expiresAt: number
}

/**
 * Reads the verified client certificate of a connection; on resumed TLS sessions too, where OpenSSL keeps it with the session. Null when it is not a node's or a
 * client's of this fleet (a certificate of a server, or with names in another form), and of a connection that has ended meanwhile.
 */
export function identify(socket: TLSSocket, fleet: string): ClientIdentity | null {
  // The types don't tell: null once the socket is destroyed.
  const certificate = socket.getPeerCertificate() as PeerCertificate | null
  if (certificate === null) return null
  // Several values of one kind come as a list: no certificate of ours has that.
  const { O, OU, CN } = (certificate.subject ?? {}) as { O?: unknown; OU?: unknown; CN?: unknown }
  if (!socket.authorized || O !== fleet || typeof CN !== 'string' || (OU !== 'node' && OU !== 'client')) return null
  return {
    kind: OU,
    id: CN,
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    expiresAt: Date.parse(certificate.valid_to),
  }
}
