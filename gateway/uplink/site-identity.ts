import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

/** Who opens an uplink, as its certificate says. */
export interface SiteIdentity {
  readonly site: string
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  readonly certificate: X509Certificate
  /** When it ends, in milliseconds since 1970. */
  readonly expiresAt: number
}

const keyBytes = 32

/** Reads the verified certificate of a site; null for any other: a node's name opens nothing to a site of that name, nor the other way round. [P 14.2] */
export function identifySite(socket: TLSSocket, fleet: string): SiteIdentity | null {
  const certificate = socket.getPeerX509Certificate() as X509Certificate | undefined
  const { O, OU, CN } = (socket.getPeerCertificate()?.subject ?? {}) as { O?: unknown; OU?: unknown; CN?: unknown }
  if (!socket.authorized || !certificate || O !== fleet || OU !== 'site' || typeof CN !== 'string') return null
  const { publicKey } = certificate
  if (publicKey.asymmetricKeyType !== 'ed25519') return null
  // RFC 8410, 4: all before the key is fixed.
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return {
    site: CN,
    certificate,
    publicKey: new Uint8Array(der.subarray(der.length - keyBytes)),
    expiresAt: Date.parse(certificate.validTo),
  }
}
