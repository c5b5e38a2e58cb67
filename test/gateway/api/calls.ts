import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'

export interface Answer {
  readonly status: number
  readonly type: string
  readonly bytes: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  readonly json: any
}

export interface Where {
  readonly socketPath?: string
  readonly port?: number
  readonly ca?: string
  readonly token?: string
}

/** One real request over a Unix socket or TLS. */
export function call(where: Where, method: string, path: string, body?: unknown): Promise<Answer> {
  const bytes = body === undefined || body instanceof Uint8Array ? body : JSON.stringify(body)
  const type = body instanceof Uint8Array ? 'application/cbor' : 'application/json'
  const headers = {
    ...(bytes === undefined ? {} : { 'content-type': type }),
    ...(where.token === undefined ? {} : { authorization: `Bearer ${where.token}` }),
  }
  return new Promise((resolve, reject) => {
    const sent =
      where.socketPath === undefined
        ? httpsRequest({ host: '127.0.0.1', port: where.port, ca: where.ca, agent: false, method, path, headers })
        : httpRequest({ socketPath: where.socketPath, agent: false, method, path, headers })
    sent.on('error', reject)
    sent.on('response', (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', reject)
      response.on('end', () => {
        const all = Buffer.concat(parts)
        const contentType = response.headers['content-type'] ?? ''
        resolve({
          status: response.statusCode ?? 0,
          type: contentType,
          bytes: all,
          json: contentType.startsWith('application/json') ? JSON.parse(all.toString('utf8')) : null,
        })
      })
    })
    sent.end(bytes)
  })
}

/** The items of a stream as they come, until `count` of them; then it hangs up. */
export function followed(where: Where, path: string, count: number, begun: () => void): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ socketPath: where.socketPath, agent: false, path })
    const items: unknown[] = []
    let rest = ''
    sent.on('error', reject)
    sent.on('response', (response) => {
      begun()
      response.setEncoding('utf8')
      response.on('error', reject)
      response.on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop()!
        for (const line of lines) if (line !== '') items.push(JSON.parse(line))
        if (items.length < count) return
        response.destroy()
        resolve(items)
      })
    })
    sent.end()
  })
}
