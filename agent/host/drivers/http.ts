import type { IncomingMessage } from 'node:http'
import { err, type HostCall, ok } from '../host.ts'
import type { NodeFile } from '../node-file.ts'

/** As `http.wit` has it, lifted. */
interface Request {
  readonly method: string
  readonly url: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Uint8Array
  readonly timeoutMs: number
}

/** One exchange's body may have so many bytes, in each direction. */
const maxBodyBytes = 1024 * 1024
const maxHeaders = 100
/** The answer must reach the module before its turn ends. */
const reserveMs = 50

const tokenPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/
// What frames the message or the connection is the agent's to say (RFC 9110, 7.6.1).
const ownHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Sends a module's request, where both the node's file and the release grant the host. Answers `result<response, http-error>`; redirects
 * aren't followed, so a granted host can't lead to another.
 */
export async function sendHttp(node: NonNullable<NodeFile['http']>, call: HostCall): Promise<unknown> {
  const request = call.args[0] as Request
  const url = URL.parse(request.url)
  const wrong = problemWith(request, url)
  if (url === null || wrong !== null) return err({ tag: 'invalid-request', val: wrong ?? 'the URL is malformed' })
  const host = hostOf(url)
  if (!grants(node.allow, host) || !grants(call.httpHosts, host)) return err({ tag: 'not-granted' })
  const wantedMs = request.timeoutMs === 0 ? node.timeoutMs : Math.min(request.timeoutMs, node.timeoutMs)
  return await exchange(request, url, call.key, Math.max(1, Math.min(wantedMs, call.leftMs - reserveMs)))
}

function exchange(request: Request, url: URL, key: string, timeoutMs: number): Promise<unknown> {
  const headers: Record<string, string | string[]> = { 'idempotency-key': `"${key}"` }
  for (const [name, value] of request.headers) {
    const lower = name.toLowerCase()
    const before = lower === 'idempotency-key' ? undefined : headers[lower]
    headers[lower] = before === undefined ? value : [before, value].flat()
  }
  const { promise, resolve } = Promise.withResolvers<unknown>()
  // Loaded by nodes that use it only: it takes some megabytes.
  const http = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http')
  const sending = http.request(url, { method: request.method, headers, agent: false, maxHeaderSize: 16_384 })
  const finish = (answer: unknown): void => {
    clearTimeout(timer)
    resolve(answer)
    sending.destroy()
  }
  const timer = setTimeout(() => finish(err({ tag: 'timeout' })), timeoutMs)
  sending.on('error', (error) => finish(err({ tag: 'unreachable', val: error.message.slice(0, 200) })))
  sending.on('response', (response) => {
    collect(response).then(
      (body) => finish(body === null ? err({ tag: 'too-large' }) : ok(toResponse(response, body))),
      (error: Error) => finish(err({ tag: 'unreachable', val: error.message.slice(0, 200) })),
    )
  })
  sending.end(request.body)
  return promise
}

async function collect(response: IncomingMessage): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of response as AsyncIterable<Uint8Array>) {
    size += part.length
    if (size > maxBodyBytes) return null
    parts.push(part)
  }
  const body = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    body.set(part, at)
    at += part.length
  }
  return body
}

function toResponse(response: IncomingMessage, body: Uint8Array): object {
  const headers: [string, string][] = []
  for (let index = 0; index + 1 < response.rawHeaders.length && headers.length < maxHeaders; index += 2) {
    headers.push([response.rawHeaders[index]!.toLowerCase(), response.rawHeaders[index + 1]!])
  }
  return { status: response.statusCode ?? 0, headers, body }
}

function problemWith(request: Request, url: URL | null): string | null {
  if (url === null) return 'the URL is malformed'
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'the URL begins with neither http:// nor https://'
  if (url.username !== '' || url.password !== '') return 'the URL holds a password: use the authorization header'
  if (!tokenPattern.test(request.method) || /^(connect|trace)$/i.test(request.method))
    return `the method "${request.method.slice(0, 20)}" is not allowed`
  if (request.body.length > maxBodyBytes) return `the body has more than ${maxBodyBytes} bytes`
  if (request.headers.length > maxHeaders) return `there are more than ${maxHeaders} headers`
  for (const [name, value] of request.headers) {
    if (!tokenPattern.test(name)) return `"${name.slice(0, 40)}" is no header's name`
    if (ownHeaders.has(name.toLowerCase())) return `the header "${name}" is set by the node`
    if (value.length > 8_192 || /[^\t\x20-\x7e\x80-\xff]/.test(value))
      return `the value of "${name}" is malformed or too long`
  }
  return null
}

const hostOf = (url: URL): string =>
  `${url.hostname.toLowerCase()}:${url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port}`

const grants = (allowed: readonly string[], host: string): boolean =>
  allowed.some((entry) => entry === '*' || entry.toLowerCase() === host)
