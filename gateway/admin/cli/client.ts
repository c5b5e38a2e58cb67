import { existsSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { createInterface } from 'node:readline'
import { encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { type ErrorCode, errorTable, HyphaError } from '@hypha/core/errors.ts'

/** Where the gateway's HTTP API is: its Unix socket on this machine, or its TLS port with a token. */
export type ApiTarget =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tls'; readonly host: string; readonly port: number; readonly token: string; readonly ca: string }

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as CBOR, for what holds bytes. */
  readonly cbor?: unknown
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

  /** One item a line, as they come, until the gateway or `signal` ends it. */
  async *follow<T>(path: string, query: RequestOptions['query'], signal: AbortSignal): AsyncGenerator<T> {
    const response = await this.#send('GET', path, query === undefined ? {} : { query }, signal)
    const lines = createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY })
    try {
      for await (const line of lines) if (line !== '') yield JSON.parse(line) as T
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      response.destroy()
    }
  }

  #send(method: Method, path: string, options: RequestOptions, signal?: AbortSignal): Promise<IncomingMessage> {
    const target = this.#target
    const body =
      options.cbor !== undefined
        ? encodeCbor(options.cbor)
        : options.json !== undefined
          ? JSON.stringify(options.json)
          : null
    const headers: Record<string, string | number> = {}
    if (body !== null) {
      headers['content-type'] = options.cbor !== undefined ? 'application/cbor' : 'application/json'
      headers['content-length'] = Buffer.byteLength(body)
    }
    if (target.kind === 'tls') headers.authorization = `Bearer ${target.token}`
    const common = { method, path: path + queryString(options.query), headers, ...(signal ? { signal } : {}) }
    return new Promise((resolve, reject) => {
      const sent =
        target.kind === 'socket'
          ? httpRequest({ ...common, socketPath: target.path })
          : httpsRequest({ ...common, host: target.host, port: target.port, ca: target.ca })
      sent.on('error', (cause) => (signal?.aborted ? reject(cause) : reject(unreachable(target, cause))))
      sent.on('response', (response) => {
        if ((response.statusCode ?? 500) < 400) resolve(response)
        else readAll(response).then((text) => reject(refusal(response.statusCode ?? 500, text)), reject)
      })
      sent.end(body ?? undefined)
    })
  }
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
  if (target.kind === 'socket' && !existsSync(target.path)) {
    return new HyphaError('gateway-unreachable', 'No gateway runs on this machine for this home', {
      where: target.path,
      cause,
      mend: 'Start one with hypha gateway, or name a remote one with --gateway HOST:PORT.',
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
