import { createHash, X509Certificate } from 'node:crypto'
import { type RequestOptions, request } from 'node:https'
import { isIP } from 'node:net'
import { connect, type DetailedPeerCertificate } from 'node:tls'
import { type ErrorCode, errorTable, HyphaError } from '../errors.ts'
import { maxMessageBytes } from '../wire/codec.ts'

export interface HttpsTarget {
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
  /** A Unix socket through which it is reached; its certificate is that of the host all the same. */
  readonly path?: string | undefined
}

const maxChainLength = 8
/** A whole request may take so many times as long as a silence in it. */
const wholeFactor = 4

/**
 * Takes the certificates that the server shows and returns the one with a pinned digest (lower-case hex) as PEM. Nothing is sent on this connection, and nothing about
 * the server is believed yet: `post` then verifies the server against that CA.
 */
export function fetchPinnedAuthority(target: HttpsTarget, ...digestsHex: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: target.host,
      port: target.port,
      ...(target.path === undefined ? {} : { path: target.path }),
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      ...serverName(target.host),
    })
    const late = () => fail(unreachable(target, 'it did not answer in time'))
    const whole = setTimeout(late, target.timeoutMs * wholeFactor)
    const fail = (error: HyphaError) => {
      socket.destroy()
      reject(error)
    }
    socket.once('close', () => clearTimeout(whole))
    socket.setTimeout(target.timeoutMs, late)
    socket.on('error', (cause) => fail(unreachable(target, cause.message, cause)))
    socket.on('secureConnect', () => {
      const pinned = findInChain(socket.getPeerCertificate(true), digestsHex)
      if (pinned?.ca) {
        socket.destroy()
        resolve(pinned.toString())
      } else {
        fail(mismatch(target, 'none of its certificates is the pinned CA'))
      }
    })
  })
}

function findInChain(first: DetailedPeerCertificate, digestsHex: readonly string[]): X509Certificate | null {
  let certificate: DetailedPeerCertificate | undefined = first
  for (let depth = 0; depth < maxChainLength && certificate?.raw; depth++) {
    const found = createHash('sha256').update(certificate.raw).digest('hex')
    if (digestsHex.includes(found)) return new X509Certificate(certificate.raw)
    certificate = certificate.issuerCertificate
  }
  return null
}

/** One POST of CBOR over TLS, the server verified against `ca` (PEM) by chain and by name or address. */
export const post = (target: HttpsTarget, ca: string, path: string, body: Uint8Array): Promise<Uint8Array> =>
  send(
    target,
    { method: 'POST', ca, headers: { 'content-type': 'application/cbor', 'content-length': body.length } },
    path,
    body,
  )

/** One GET from the server that `ca` (PEM) vouches for; null: from whoever answers there, and is not believed, only for what proves itself. */
export const get = (target: HttpsTarget, ca: string | null, path: string): Promise<Uint8Array> =>
  send(target, { method: 'GET', ...(ca === null ? { rejectUnauthorized: false } : { ca }) }, path, new Uint8Array())

type Sent = Pick<RequestOptions, 'method' | 'ca' | 'headers' | 'rejectUnauthorized'>

function send(target: HttpsTarget, sent: Sent, path: string, body: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: target.host,
        port: target.port,
        path,
        ...(target.path === undefined ? {} : { socketPath: target.path }),
        ...sent,
        minVersion: 'TLSv1.3',
        // No pool: its sockets would outlive the one request.
        agent: false,
        timeout: target.timeoutMs,
        // Who sends a byte now and then mustn't hold a node that is to ask again.
        signal: AbortSignal.timeout(target.timeoutMs * wholeFactor),
        ...serverName(target.host),
      },
      (incoming) => {
        const parts: Buffer[] = []
        let length = 0
        incoming.on('data', (part: Buffer) => {
          length += part.length
          if (length > maxMessageBytes) {
            outgoing.destroy(
              new HyphaError('bytes-too-long', `The answer of ${where(target)} is over ${maxMessageBytes} bytes`),
            )
          }
          parts.push(part)
        })
        incoming.on('error', (cause) => reject(asJoinError(target, cause)))
        incoming.on('end', () => {
          const answer = Buffer.concat(parts)
          if (incoming.statusCode === 200) resolve(new Uint8Array(answer))
          else reject(answeredError(target, incoming.statusCode ?? 0, answer.toString('utf8')))
        })
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(unreachable(target, 'it did not answer in time')))
    outgoing.on('error', (cause) => reject(asJoinError(target, cause)))
    outgoing.end(body)
  })
}

/** Errors of the gateway's API are JSON with one of our codes; anything else answered in its place. */
function answeredError(target: HttpsTarget, status: number, text: string): HyphaError {
  const answered = parseErrorJson(text)
  if (answered) return new HyphaError(answered.code, answered.message, { where: where(target) })
  return unreachable(target, `it answered with status ${status} and no error of Hypha's`)
}

function parseErrorJson(text: string): { code: ErrorCode; message: string } | null {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // Not ours: the caller says what came instead.
    return null
  }
  const { code, message } = (json ?? {}) as { code?: unknown; message?: unknown }
  if (typeof code !== 'string' || !Object.hasOwn(errorTable, code)) return null
  return { code: code as ErrorCode, message: typeof message === 'string' ? message.slice(0, 1_000) : code }
}

/** Whether a connection failed because the server couldn't prove itself. Codes of Node's and OpenSSL's verification: wrong chain, wrong name, expired. */
export const isUnproven = ({ code }: Error & { code?: string }): boolean =>
  /^(ERR_TLS_CERT|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_)/.test(code ?? '')

function asJoinError(target: HttpsTarget, cause: Error & { code?: string }): HyphaError {
  if (cause instanceof HyphaError) return cause
  return isUnproven(cause) ? mismatch(target, cause.message, cause) : unreachable(target, cause.message, cause)
}

/** SNI carries names only (RFC 6066, 3); an address is checked against the certificate's addresses. */
const serverName = (host: string) => (isIP(host) ? {} : { servername: host })

const where = (target: HttpsTarget) => `${target.host}:${target.port}`

const unreachable = (target: HttpsTarget, why: string, cause?: unknown) =>
  new HyphaError('join-unreachable', `No answer from the gateway at ${where(target)}: ${why}`, { cause })

const mismatch = (target: HttpsTarget, why: string, cause?: unknown) =>
  new HyphaError('join-ca-mismatch', `${where(target)} is not the gateway that was named: ${why}`, { cause })
