import fastify from 'fastify'
import { expect, test } from 'vitest'
import { knownRoutes, matchesApp } from '../../../gateway/admin/api/permissions.ts'
import type { Api } from '../../../gateway/admin/api/route.ts'
import { createApi, requirePermissions } from '../../../gateway/admin/api/server.ts'
import { releasePayload } from '../../../gateway/push/release.ts'
import { callerByToken } from '../../../gateway/services/access.ts'
import { call } from './calls.ts'
import { componentImporting, onSocket, onTls, pushOf, releaseOf, startFleet, startGateway } from './gateway.ts'

const columns = ['stranger', 'viewer', 'publisher', 'publisher of another app', 'operator', 'admin'] as const

/** Who is let in, column by column: "x" lets in, "." refuses. */
const table: Readonly<Record<string, string>> = {
  'GET /healthz': 'xxxxxx',
  'GET /openapi.json': 'xxxxxx',
  'POST /v1/join': 'xxxxxx',
  'POST /v1/join-site': 'xxxxxx',
  'POST /v1/renew': 'xxxxxx',
  'GET /v1/root-chain': 'xxxxxx',
  'GET /install/:script': 'xxxxxx',
  'GET /install/file/:digest': 'xxxxxx',
  'GET /v1/status': '.xxxxx',
  'GET /v1/root': '.xxxxx',
  'POST /v1/root': '.....x',
  'GET /v1/nodes': '.xxxxx',
  'GET /v1/nodes/:node': '.xxxxx',
  'PATCH /v1/nodes/:node': '....xx',
  'DELETE /v1/nodes/:node': '....xx',
  'POST /v1/nodes/:node/revoke': '....xx',
  'POST /v1/nodes/:node/boards/:board/accept': '....xx',
  'GET /v1/install': '....xx',
  'GET /v1/invites': '....xx',
  'POST /v1/invites': '....xx',
  'DELETE /v1/invites/:id': '....xx',
  'GET /v1/upstream': '.xxxxx',
  'POST /v1/upstream': '.....x',
  'DELETE /v1/upstream': '.....x',
  'GET /v1/sites': '.xxxxx',
  'GET /v1/sites/:site': '.xxxxx',
  'POST /v1/sites': '.....x',
  'POST /v1/sites/:site/revoke': '....xx',
  'DELETE /v1/sites/:site': '.....x',
  'GET /v1/apps': '.xxxxx',
  'GET /v1/apps/:app': '.xxxxx',
  'DELETE /v1/apps/:app': '.....x',
  'GET /v1/apps/:app/releases': '.xxxxx',
  'GET /v1/apps/:app/releases/:number': '.xxxxx',
  'DELETE /v1/apps/:app/releases/:number': '....xx',
  'GET /v1/apps/:app/releases/:number/envelope': '.xxxxx',
  'GET /v1/apps/:app/releases/:number/pushed': '..x..x',
  'POST /v1/apps/:app/releases/:number/signatures': '..x..x',
  'GET /v1/apps/:app/plan': '.xxxxx',
  'GET /v1/apps/:app/rollout': '.xxxxx',
  'GET /v1/apps/:app/rollouts': '.xxxxx',
  'POST /v1/apps/:app/rollouts/act': '....xx',
  'GET /v1/apps/:app/receipts': '.xxxxx',
  'GET /v1/apps/:app/why/:module': '.xxxxx',
  'GET /v1/apps/:app/why/:module/not/:node': '.xxxxx',
  'POST /v1/apps/:app/what-if': '.xxxxx',
  'POST /v1/apps/:app/come-home': '....xx',
  'POST /v1/plan': '.xxxxx',
  'POST /v1/push': '..xx.x',
  'POST /v1/apps/:app/rollback': '..x.xx',
  'GET /v1/apps/:app/config': '.xxxxx',
  'PUT /v1/apps/:app/config/:key': '....xx',
  'DELETE /v1/apps/:app/config/:key': '....xx',
  'GET /v1/links': '.xxxxx',
  'GET /v1/values': '.xxxxx',
  'GET /v1/values/history': '.xxxxx',
  'GET /v1/values/follow': '.xxxxx',
  'GET /v1/logs': '.xxxxx',
  'GET /v1/logs/follow': '.xxxxx',
  'GET /v1/events': '.xxxxx',
  'GET /v1/events/follow': '.xxxxx',
  'GET /v1/audit': '....xx',
  'GET /v1/audit/chain': '....xx',
  'GET /v1/tokens': '.....x',
  'POST /v1/tokens': '.....x',
  'DELETE /v1/tokens/:name': '.....x',
  'GET /v1/clients': '.....x',
  'POST /v1/clients': '.....x',
  'DELETE /v1/clients/:name': '.....x',
}

const local = { name: 'local', role: 'admin' } as const

test('every route lets in the roles of this table and nobody else', async () => {
  expect([...knownRoutes].sort()).toEqual(Object.keys(table).sort())
  const gateway = await startGateway()
  const handler = async (body: Uint8Array) => body
  const api = await createApi(gateway.services, {
    trust: { kind: 'tokens', find: callerByToken(gateway.deps) },
    open: { join: handler, joinSite: handler, renew: handler, rootChain: () => Uint8Array.of(0) },
  })
  const tokens: (string | null)[] = [null]
  for (const [index, column] of columns.slice(1).entries()) {
    const [role] = column.split(' ') as ['viewer' | 'publisher' | 'operator' | 'admin']
    const apps = role !== 'publisher' ? [] : column === role ? ['nursery', 'green*'] : ['greenhouse-2']
    tokens.push((await gateway.services.tokens.create({ name: `token-${index}`, role, apps }, local)).token)
  }
  const found: Record<string, string> = {}
  for (const route of Object.keys(table)) {
    const [method, path] = route.split(' ') as ['GET', string]
    const url = path
      .replace(':app', 'greenhouse')
      .replace(/:(number|id)/, '1')
      .replace(/:\w+/g, 'none')
    expect(api.hasRoute({ method, url: path }), route).toBe(true)
    let marks = ''
    for (const token of tokens) {
      const headers = token === null ? {} : { authorization: `Bearer ${token}` }
      const answer = await api.inject({ method, url, headers, payloadAsStream: true })
      answer.stream().destroy()
      marks += answer.statusCode === 401 || answer.statusCode === 403 ? '.' : 'x'
    }
    found[route] = marks
  }
  expect(found).toEqual(table)
  await api.close()
})

test('a route that does not stand in the table of permissions can not be registered', () => {
  const api = fastify() as unknown as Api
  requirePermissions(api)
  api.get('/v1/status', () => 'known')
  expect(() => api.post('/v1/status', () => 'in')).toThrow('permissions.ts does not say who may call POST /v1/status')
  expect(() => api.get('/v1/back-door', () => 'in')).toThrow('permissions.ts does not say')
})

test('a publisher publishes the apps that its token names, and no other', async () => {
  const gateway = await startFleet()
  const [socket, tls] = [await onSocket(gateway), await onTls(gateway)]
  const { status, json } = await call(socket, 'POST', '/v1/tokens', { name: 'ci', role: 'publisher', apps: ['lab-*'] })
  expect([status, json.view]).toEqual([
    200,
    {
      name: 'ci',
      fleet: 'garden',
      role: 'publisher',
      apps: ['lab-*'],
      createdAt: gateway.clock.now(),
      expiresAt: null,
      lastUsedAt: null,
    },
  ])
  const publisher = { ...tls, token: json.token as string }
  const modules = [{ name: 'sampler', component: await componentImporting('sensor') }]
  const push = (app: string) => call(publisher, 'POST', '/v1/push', pushOf(modules, { app }))
  const plan = (app: string) => call(publisher, 'POST', '/v1/plan', releasePayload(releaseOf(modules, { app })))

  const refused = await push('greenhouse')
  expect([refused.status, refused.json.code, refused.json.message]).toEqual([
    403,
    'not-allowed',
    'The token ci is for lab-*, not for the app greenhouse',
  ])
  expect((await plan('greenhouse')).status).toBe(403)
  expect(gateway.store.apps.list()).toEqual([])
  expect((await push('laboratory')).status).toBe(403)
  expect((await plan('lab-7')).status).toBe(200)
  expect((await push('lab-7')).status).toBe(200)
  expect((await call(socket, 'POST', '/v1/push', pushOf(modules))).status).toBe(200)
  expect((await call(publisher, 'POST', '/v1/apps/greenhouse/rollback', {})).json.code).toBe('not-allowed')
  expect((await call(publisher, 'POST', '/v1/apps/lab-7/rollback', {})).json.code).toBe('not-found')
  expect((await call(publisher, 'GET', '/v1/apps/greenhouse')).status).toBe(200)
  const { json: audit } = await call(socket, 'GET', '/v1/audit')
  expect(audit.slice(0, 2).map((entry: object) => ({ ...entry, id: 0, at: 0 }))).toEqual([
    {
      id: 0,
      at: 0,
      actor: 'ci',
      action: 'denied',
      subject: 'POST /v1/apps/:app/rollback',
      details: { code: 'not-allowed', address: '127.0.0.1' },
    },
    expect.objectContaining({ actor: 'local', action: 'app.push', subject: 'greenhouse' }),
  ])
})

test.each([
  ['*', 'lab-7', true],
  ['lab-*', 'lab-7', true],
  ['lab-*', 'laboratory', false],
  ['greenhouse', 'greenhouse', true],
  ['*', 'hypha-agent', false],
  ['hypha-*', 'hypha-agent', false],
  ['hypha-agent*', 'hypha-agent', false],
  ['hypha-agent', 'hypha-agent', true],
])('"%s" names the app %s: %s; the agent itself is meant only by its whole name', (pattern, app, named) => {
  expect(matchesApp(pattern, app)).toBe(named)
})

test('a token of a publisher names apps, and only such a token does', async () => {
  const socket = await onSocket(await startGateway())
  const make = async (role: string, apps?: string[]) => {
    const { json } = await call(socket, 'POST', '/v1/tokens', { name: 'ci', role, ...(apps && { apps }) })
    return json.code ?? 'made'
  }
  expect(await make('publisher')).toBe('request-invalid')
  expect(await make('publisher', [])).toBe('request-invalid')
  expect(await make('publisher', ['lab*7'])).toBe('request-invalid')
  expect(await make('publisher', ['**'])).toBe('request-invalid')
  expect(await make('operator', ['lab-7'])).toBe('request-invalid')
  expect(await make('publisher', ['*'])).toBe('made')
})

test('a token tells when it was last used, to the minute', async () => {
  const gateway = await startGateway()
  const [socket, tls] = [await onSocket(gateway), await onTls(gateway)]
  const { token } = (await call(socket, 'POST', '/v1/tokens', { name: 'ada', role: 'viewer' })).json
  const lastUsed = async () => (await call(socket, 'GET', '/v1/tokens')).json[0].lastUsedAt
  expect(await lastUsed()).toBeNull()
  const first = gateway.clock.now()
  await call({ ...tls, token }, 'GET', '/v1/status')
  gateway.clock.advance(59_000)
  await call({ ...tls, token }, 'GET', '/v1/status')
  expect(await lastUsed()).toBe(first)
  gateway.clock.advance(1_000)
  await call({ ...tls, token }, 'GET', '/v1/status')
  expect(await lastUsed()).toBe(first + 60_000)
})
