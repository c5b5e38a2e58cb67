import { existsSync } from 'node:fs'
import type { ClientRequest, RequestOptions as HttpOptions, IncomingMessage } from 'node:http'
import { type ErrorCode, errorTable, HyphaError } from '@hypha/core/errors.ts'

/** Where the gateway's HTTP API is: its Unix socket on this machine, or its TLS port with a token. */
export type ApiTarget =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tls'; readonly host: string; readonly port: number; readonly token: string; readonly ca: string }

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** Sent as JSON. */
  readonly json?: unknown
  /** An encoded CBOR item, for what holds bytes. */
  readonly cbor?: Uint8Array
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** Speaks to the gateway; its refusals come back as the `HyphaError`s that they are. */
export class ApiClient {
  readonly #target: ApiTarget

  constructor(target: ApiTarget) {
    this.#target = target
  }

  /** @throws HyphaError `gateway-unreachable`, and what the gateway answers. */
  async request<T>(method: Method, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.#send(method, path, options)
    const body = await readAll(response)
    return JSON.parse(body) as T
  }

  /**
   * An answer of bytes, of at most `maxBytes`.
   *
   * @throws HyphaError as `request`, and `bytes-too-long`.
   */
  async bytes(path: string, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const response = await this.#send('GET', path, {})
    const parts: Buffer[] = []
    let count = 0
    for await (const part of response as AsyncIterable<Buffer>) {
      count += part.length
      if (count > maxBytes) {
        response.destroy()
        throw new HyphaError('bytes-too-long', `The gateway's answer is longer than ${maxBytes} bytes`, { where: path })
      }
      parts.push(part)
    }
    return Uint8Array.from(Buffer.concat(parts))
  }

  /**
   * Items as they come, until `signal` is aborted. Resolves once the gateway follows: what happens from then on is among them.
   *
   * @throws HyphaError as `request`, and `gateway-stopping` where the gateway ends it.
   */
  async follow<T>(path: string, query: RequestOptions['query'], signal: AbortSignal): Promise<AsyncGenerator<T>> {
    const response = await this.#send('GET', path, query === undefined ? {} : { query }, signal)
    return itemsOf<T>(response, signal)
  }

  #send(method: Method, path: string, options: RequestOptions, signal?: AbortSignal): Promise<IncomingMessage> {
    const target = this.#target
    const body = options.cbor ?? (options.json === undefined ? null : JSON.stringify(options.json))
    const headers: Record<string, string | number> = {}
    if (body !== null) {
      headers['content-type'] = options.cbor !== undefined ? 'application/cbor' : 'application/json'
      headers['content-length'] = Buffer.byteLength(body)
    }
    if (target.kind === 'tls') headers.authorization = `Bearer ${target.token}`
    const common = { method, path: path + queryString(options.query), headers, ...(signal ? { signal } : {}) }
    return new Promise((resolve, reject) => {
      const sent = open(target, common)
      sent.on('error', (cause) => (signal?.aborted ? reject(cause) : reject(unreachable(target, cause))))
      sent.on('response', (response) => {
        if ((response.statusCode ?? 500) < 400) resolve(response)
        else readAll(response).then((text) => reject(refusal(response.statusCode ?? 500, text)), reject)
      })
      sent.end(body ?? undefined)
    })
  }
}

// Taken this way, because `import` reads every export of a built-in module, and two of node:http's are getters that load 40 ms of code for WebSockets.
function open(target: ApiTarget, options: HttpOptions): ClientRequest {
  if (target.kind === 'socket') {
    return process.getBuiltinModule('node:http').request({ ...options, socketPath: target.path })
  }
  const { host, port, ca } = target
  return process.getBuiltinModule('node:https').request({ ...options, host, port, ca })
}

async function* itemsOf<T>(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<T> {
  let rest = ''
  response.setEncoding('utf8')
  try {
    for await (const part of response) {
      const lines = `${rest}${part}`.split('\n')
      rest = lines.pop()!
      for (const line of lines) if (line !== '') yield JSON.parse(line) as T
    }
  } catch (cause) {
    if (!signal.aborted) throw new HyphaError('gateway-unreachable', 'The connection to the gateway was cut', { cause })
  } finally {
    response.destroy()
  }
  if (!signal.aborted) throw new HyphaError('gateway-stopping', 'The gateway ended what was followed')
}

function queryString(query: RequestOptions['query'] = {}): string {
  const present = Object.entries(query).filter(
    (entry): entry is [string, string | number | boolean] => entry[1] !== undefined,
  )
  if (present.length === 0) return ''
  return `?${present.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`
}

async function readAll(response: IncomingMessage): Promise<string> {
  let text = ''
  response.setEncoding('utf8')
  for await (const part of response) text += part
  return text
}

function unreachable(target: ApiTarget, cause: Error): HyphaError {
  // One that was killed leaves its socket behind.
  const isRefused = 'code' in cause && cause.code === 'ECONNREFUSED'
  if (target.kind === 'socket' && (isRefused || !existsSync(target.path))) {
    return new HyphaError('gateway-unreachable', 'No gateway runs on this machine for this home', {
      where: target.path,
      cause,
      mend: 'Start one with hypha gateway (a new fleet: hypha init NAME), or name one on another machine with --credentials FILE.',
    })
  }
  const where = target.kind === 'socket' ? target.path : `${target.host}:${target.port}`
  return new HyphaError('gateway-unreachable', `The gateway does not answer: ${cause.message}`, { where, cause })
}

/** What the gateway refused, with its own code where this side knows it. */
function refusal(status: number, text: string): HyphaError {
  const answer = parseObject(text)
  const code = typeof answer.code === 'string' && answer.code in errorTable ? (answer.code as ErrorCode) : 'internal'
  const message =
    typeof answer.message === 'string' ? answer.message : `The gateway answered ${status}: ${text.slice(0, 200)}`
  return new HyphaError(code, message, {
    ...(typeof answer.where === 'string' ? { where: answer.where } : {}),
    ...(typeof answer.mend === 'string' ? { mend: answer.mend } : {}),
  })
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
