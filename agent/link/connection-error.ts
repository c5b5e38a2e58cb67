import { HyphaError } from '@hypha/core/errors.ts'

const networkWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'the name is unknown',
  EAI_AGAIN: 'names can not be looked up now',
  EHOSTUNREACH: 'there is no way to that machine',
  ENETUNREACH: 'there is no network',
  ETIMEDOUT: 'it does not answer',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
}

/** Whether the broker's certificate isn't one that the node believes; otherwise it is the broker that doesn't want the node. */
export const isUnproven = ({ cause }: HyphaError): boolean =>
  /^(ERR_TLS_CERT|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO)/.test(
    String((cause as { code?: unknown } | undefined)?.code),
  )

/** What mqtt.js, TLS or the network has to say, as an error that says who can mend it. */
export function connectionError(error: Error & { code?: unknown }, host: string, port: number): HyphaError {
  const where = `${host}:${port}`
  const { code } = error
  const details = { where, cause: error }
  // CONNACK's return codes are numbers (MQTT 3.1.1, 3.2.2.3).
  if (typeof code === 'number') {
    return new HyphaError('link-refused', `The broker at ${where} refused the node: ${error.message}`, details)
  }
  const network = typeof code === 'string' ? networkWords[code] : undefined
  if (network) return new HyphaError('link-offline', `No connection to the broker at ${where}: ${network}`, details)
  // Codes of Node's and OpenSSL's verification, and alerts with which the other side ends a handshake.
  if (typeof code === 'string' && /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO)/.test(code)) {
    const message = `The broker at ${where} and the node don't accept each other's certificates: ${error.message}`
    return new HyphaError('link-refused', message, details)
  }
  return new HyphaError('link-offline', `No connection to the broker at ${where}: ${error.message}`, details)
}
