import { statSync } from 'node:fs'
import { HyphaError } from '@hypha/core/errors.ts'
import { expect, test } from 'vitest'
import { createApi, listenOnSocket } from '../../../gateway/admin/api/server.ts'
import { call } from './calls.ts'
import { onSocket, onTls, startGateway } from './gateway.ts'

test('the socket is for the user of the gateway alone, and needs no token', async () => {
  const socket = await onSocket(await startGateway())
  expect(statSync(socket.socketPath).mode & 0o777).toBe(0o600)
  const { status, json } = await call(socket, 'GET', '/v1/status')
  expect([status, json.fleet, json.nodes]).toEqual([200, 'garden', { total: 0, online: 0 }])
})

test('a socket that an ended gateway left behind is replaced, one that lives is not', async () => {
  const gateway = await startGateway()
  const socket = await onSocket(gateway)
  const second = await createApi(gateway.services, { trust: { kind: 'local' } })
  await expect(listenOnSocket(second, socket.socketPath)).rejects.toMatchObject({ code: 'already-running' })
  await second.close()
})

test('the port answers nobody without a token', async () => {
  const tls = await onTls(await startGateway())
  const { status, json } = await call(tls, 'GET', '/v1/status')
  expect(status).toBe(401)
  expect(json).toEqual({
    code: 'not-signed-in',
    message: 'The request has no token',
    mend: expect.stringContaining('hypha token create'),
  })
  expect((await call({ ...tls, token: 'wrong' }, 'GET', '/v1/status')).json.message).toBe(
    'The token is unknown or has expired',
  )
  expect((await call(tls, 'GET', '/healthz')).json).toEqual({ ok: true })
})

test('a token opens what its role may, until it is revoked or expires', async () => {
  const gateway = await startGateway()
  const [socket, tls] = [await onSocket(gateway), await onTls(gateway)]
  const make = async (name: string, role: string, days?: number) =>
    (await call(socket, 'POST', '/v1/tokens', { name, role, ...(days ? { days } : {}) })).json.token as string
  const [viewer, operator, admin] = [
    await make('eve', 'viewer'),
    await make('otto', 'operator'),
    await make('ada', 'admin', 1),
  ]
  const invite = { node: 'pi-7', tier: 'device' }
  const statuses = async (token: string) => [
    (await call({ ...tls, token }, 'GET', '/v1/nodes')).status,
    (await call({ ...tls, token }, 'POST', '/v1/invites', invite)).status,
    (await call({ ...tls, token }, 'GET', '/v1/tokens')).status,
  ]
  expect(await statuses(viewer)).toEqual([200, 403, 403])
  expect(await statuses(operator)).toEqual([200, 200, 403])
  expect(await statuses(admin)).toEqual([200, 200, 200])
  expect((await call({ ...tls, token: viewer }, 'GET', '/v1/tokens')).json).toMatchObject({
    code: 'not-allowed',
    message: 'This needs the role admin; the token eve has the role viewer',
  })
  gateway.clock.advance(86_400_000)
  expect((await call({ ...tls, token: admin }, 'GET', '/v1/nodes')).status).toBe(401)
  expect((await call(socket, 'DELETE', '/v1/tokens/eve')).status).toBe(200)
  expect((await call({ ...tls, token: viewer }, 'GET', '/v1/nodes')).status).toBe(401)
  const { json: audit } = await call(socket, 'GET', '/v1/audit')
  expect(
    audit.map((entry: { actor: string; action: string; subject: string }) => [
      entry.actor,
      entry.action,
      entry.subject,
    ]),
  ).toEqual([
    ['unknown', 'denied', 'GET /v1/nodes'],
    ['local', 'token.revoke', 'eve'],
    ['unknown', 'denied', 'GET /v1/nodes'],
    ['eve', 'denied', 'GET /v1/tokens'],
    ['ada', 'invite.create', 'pi-7'],
    ['otto', 'denied', 'GET /v1/tokens'],
    ['otto', 'invite.create', 'pi-7'],
    ['eve', 'denied', 'GET /v1/tokens'],
    ['eve', 'denied', 'POST /v1/invites'],
    ['local', 'token.create', 'ada'],
    ['local', 'token.create', 'otto'],
    ['local', 'token.create', 'eve'],
  ])
  expect(JSON.stringify(audit)).not.toContain(viewer)
})

test('guessing tokens is stopped for a minute, and the right one is not heard either', async () => {
  const gateway = await startGateway()
  let now = 0
  const tls = await onTls(gateway, {
    failureLimits: { failures: 3, windowMs: 60_000, addresses: 10 },
    monotonic: () => now,
  })
  const { token } = await gateway.services.tokens.create(
    { name: 'ada', role: 'admin' },
    { name: 'local', role: 'admin' },
  )
  const attempt = async (guess: string) => (await call({ ...tls, token: guess }, 'GET', '/v1/status')).status
  expect([await attempt('a'), await attempt('b'), await attempt('c')]).toEqual([401, 401, 401])
  expect([await attempt('d'), await attempt(token)]).toEqual([429, 429])
  now = 60_000
  expect(await attempt(token)).toBe(200)
})

test('a request for no route, of no form, or too long, is an error with a code', async () => {
  const socket = await onSocket(await startGateway())
  const codeOf = async (...request: [method: string, path: string, body?: unknown]) => {
    const { status, json } = await call(socket, ...request)
    return [status, json.code, json.message]
  }
  expect(await codeOf('GET', '/v1/nothing')).toEqual([404, 'not-found', 'There is no GET /v1/nothing'])
  expect(await codeOf('GET', '/v1/nodes/pi-7')).toEqual([404, 'not-found', 'There is no node pi-7'])
  expect((await codeOf('GET', '/v1/nodes/%ff')).slice(0, 2)).toEqual([400, 'request-invalid'])
  expect(await codeOf('GET', '/v1/nodes/PI%20seven')).toEqual([
    400,
    'request-invalid',
    expect.stringContaining('params.node must be 1 to 40 characters'),
  ])
  expect(await codeOf('POST', '/v1/invites', { node: 'pi-7', tier: 'moon' })).toEqual([
    400,
    'request-invalid',
    'body.tier must be one of mcu, device, edge, cloud',
  ])
  expect(await codeOf('POST', '/v1/invites', { tier: 'device' })).toEqual([
    400,
    'request-invalid',
    "body must have required property 'node'",
  ])
  expect((await codeOf('POST', '/v1/push', new Uint8Array([0xff])))[1]).toBe('bytes-malformed')
  expect((await codeOf('POST', '/v1/push', { a: 1 }))[1]).toBe('request-invalid')
  expect((await codeOf('POST', '/v1/invites', { node: 'x'.repeat(300_000), tier: 'edge' })).slice(0, 2)).toEqual([
    413,
    'bytes-too-long',
  ])
})

test('a defect is answered as one, and told to the gateway', async () => {
  const gateway = await startGateway()
  const defects: HyphaError[] = []
  const broken = {
    ...gateway,
    services: { ...gateway.services, status: () => Promise.reject(new TypeError('no such thing')) },
  }
  const socket = await onSocket(broken, { onDefect: (error) => void defects.push(error) })
  const { status, json } = await call(socket, 'GET', '/v1/status')
  expect([status, json.code, json.message]).toEqual([500, 'internal', 'no such thing'])
  expect(defects).toHaveLength(1)
})

test('joining takes and gives CBOR, without a token, and counts wrong attempts', async () => {
  const join = async (body: Uint8Array) => {
    if (body[0] === 1) return Uint8Array.of(42)
    throw new HyphaError('join-token-unknown', 'There is no invitation with this token for pi-7')
  }
  const gateway = await startGateway()
  const failureLimits = { failures: 2, windowMs: 60_000, addresses: 10 }
  const tls = await onTls(gateway, {
    open: { join, joinSite: join, renew: join, rootChain: () => Uint8Array.of(0) },
    failureLimits,
  })
  const good = await call(tls, 'POST', '/v1/join', Uint8Array.of(1))
  expect([good.status, good.type, [...good.bytes]]).toEqual([200, 'application/cbor', [42]])
  const statuses = []
  for (let count = 0; count < 3; count++) statuses.push((await call(tls, 'POST', '/v1/join', Uint8Array.of(2))).status)
  expect(statuses).toEqual([403, 403, 429])
  expect((await call(tls, 'POST', '/v1/join', new Uint8Array(70_000))).json.code).toBe('bytes-too-long')
})
