import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { sendHttp } from '../../../agent/host/drivers/http.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handle)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Changes {
  readonly allow?: readonly string[]
  readonly granted?: readonly string[]
  readonly leftMs?: number
  readonly request?: object
}

function send(url: string, host: string, changes: Changes = {}): Promise<unknown> {
  const { allow = [host], granted = [host], leftMs = 5_000 } = changes
  const request = { method: 'GET', url, headers: [], body: new Uint8Array(), timeoutMs: 0, ...changes.request }
  return sendHttp(
    { allow, timeoutMs: 5_000 },
    {
      instance: { app: 'app', module: 'report', home: null },
      interface: 'http',
      func: 'send',
      args: [request],
      key: 'aabb-1/0',
      leftMs,
      httpHosts: granted,
    },
  )
}

const text = (value: string) => new TextEncoder().encode(value)

test('A request reaches its host with its headers, its body and the key of its turn, and the response comes back whole.', async () => {
  const host = await serve(async (request, response) => {
    let body = ''
    for await (const part of request) body += part
    const { method, headers } = request
    response.writeHead(201, {
      'Content-Type': 'text/plain',
      'X-Seen': `${method} ${headers['x-own']} ${headers['idempotency-key']}`,
    })
    response.end(`${body}!`)
  })
  const request = { method: 'POST', headers: [['X-Own', 'mine']], body: text('grüße') }
  const answer = (await send(`http://${host}/path?q=1`, host, { request })) as {
    tag: string
    val: Record<string, unknown>
  }
  expect(answer).toMatchObject({ tag: 'ok', val: { status: 201, body: text('grüße!') } })
  expect(answer.val.headers).toContainEqual(['content-type', 'text/plain'])
  expect(answer.val.headers).toContainEqual(['x-seen', 'POST mine "aabb-1/0"'])
})

test('A host is reached only where both the node and the release grant it, and a redirect is not followed.', async () => {
  let asked = 0
  const host = await serve((_, response) => {
    asked++
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
  })
  const url = `http://${host}/`
  const refused = { tag: 'err', val: { tag: 'not-granted' } }
  expect(await send(url, host, { allow: [] })).toEqual(refused)
  expect(await send(url, host, { granted: ['127.0.0.1:80'] })).toEqual(refused)
  expect(asked).toBe(0)
  expect(await send(url, host, { allow: ['*'] })).toMatchObject({ tag: 'ok', val: { status: 302 } })
  expect(asked).toBe(1)
})

test('A response over its cap, one that does not come, and a host that is not there are told apart.', async () => {
  const host = await serve((request, response) => {
    if (request.url === '/large') response.end(new Uint8Array(1024 * 1024 + 1))
  })
  expect(await send(`http://${host}/large`, host)).toEqual({ tag: 'err', val: { tag: 'too-large' } })
  expect(await send(`http://${host}/silent`, host, { leftMs: 80 })).toEqual({ tag: 'err', val: { tag: 'timeout' } })
  const nobody = '127.0.0.1:1'
  expect(await send(`http://${nobody}/`, nobody)).toMatchObject({ tag: 'err', val: { tag: 'unreachable' } })
})

test.each([
  ['ftp://example.com/', {}],
  ['nonsense', {}],
  ['http://user:secret@example.com/', {}],
  ['http://example.com/', { method: 'CONNECT' }],
  ['http://example.com/', { method: 'GET /\r\n' }],
  ['http://example.com/', { headers: [['host', 'other.com']] }],
  ['http://example.com/', { headers: [['transfer-encoding', 'chunked']] }],
  ['http://example.com/', { headers: [['x', 'a\r\ny: b']] }],
])('The request to %s with %j is refused as malformed.', async (url, request) => {
  const answer = await send(url, 'example.com:80', { allow: ['*'], granted: ['*'], request })
  expect(answer).toMatchObject({ tag: 'err', val: { tag: 'invalid-request' } })
})
