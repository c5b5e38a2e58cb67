import { HyphaError } from '../errors.ts'
import { checkId } from './ids.ts'

/**
 * What an invitation says: where the gateway is, who the node will be, and whom to believe.
 *
 *     hypha://HOST:PORT/FLEET/NODE?token=TOKEN&ca=SHA256&root=SHA256
 */
export interface JoinUrl {
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string
  /** The port of the gateway's HTTPS server. */
  readonly port: number
  readonly fleet: string
  readonly node: string
  /** Good for one node, once, until it expires. */
  readonly token: string
  /** SHA-256 of the CA certificate's DER, lower-case hex. */
  readonly ca: string
  /** SHA-256 of the first root metadata's envelope, lower-case hex. */
  readonly root: string
}

const maxUrlChars = 1_024
const urlPattern =
  /^hypha:\/\/(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9.-]{1,253})):(\d{1,5})\/([^/?#]*)\/([^/?#]*)\?([^#]*)$/
const digestPattern = /^[0-9a-f]{64}$/
const parameters = {
  token: { pattern: /^[A-Za-z0-9_-]{22,64}$/, form: 'of 22 to 64 letters, digits, - and _' },
  ca: { pattern: digestPattern, form: 'of 64 lower-case hexadecimal digits' },
  root: { pattern: digestPattern, form: 'of 64 lower-case hexadecimal digits' },
} as const
type ParameterName = keyof typeof parameters

export function formatJoinUrl(url: JoinUrl): string {
  const host = url.host.includes(':') ? `[${url.host}]` : url.host
  return `hypha://${host}:${url.port}/${url.fleet}/${url.node}?token=${url.token}&ca=${url.ca}&root=${url.root}`
}

/** Throws `join-url-invalid` or `id-invalid`. The token never stands in the error: errors are logged. */
export function parseJoinUrl(text: string): JoinUrl {
  const match = text.length <= maxUrlChars ? urlPattern.exec(text) : null
  if (!match) throw invalid('it is not of the form hypha://HOST:PORT/FLEET/NODE?token=…&ca=…&root=…')
  const [, ipv6, name, portText, fleet, node, query] = match as unknown as string[]
  const port = Number(portText)
  if (port < 1 || port > 65_535) throw invalid(`${portText} is no port`)
  checkId('fleet', fleet!)
  checkId('node', node!)
  return { host: (ipv6 ?? name)!, port, fleet: fleet!, node: node!, ...parseQuery(query!) }
}

function parseQuery(query: string): Record<ParameterName, string> {
  const values: Partial<Record<ParameterName, string>> = {}
  for (const pair of query.split('&')) {
    const [name = '', value = ''] = pair.split('=', 2)
    if (!Object.hasOwn(parameters, name)) throw invalid(`it has an unknown parameter "${name.slice(0, 40)}"`)
    const known = name as ParameterName
    if (values[known] !== undefined) throw invalid(`it has the parameter ${known} twice`)
    if (!parameters[known].pattern.test(value)) throw invalid(`its parameter ${known} is not ${parameters[known].form}`)
    values[known] = value
  }
  const { token, ca, root } = values
  if (token === undefined || ca === undefined || root === undefined) {
    throw invalid(`it lacks the parameter ${token === undefined ? 'token' : ca === undefined ? 'ca' : 'root'}`)
  }
  return { token, ca, root }
}

const invalid = (why: string) => new HyphaError('join-url-invalid', `This is not a join URL: ${why}`)
