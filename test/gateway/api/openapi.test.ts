import { expect, test } from 'vitest'
import { call } from './calls.ts'
import { onSocket, startGateway } from './gateway.ts'

const routes = [
  'GET /healthz',
  'GET /install/{script}',
  'GET /install/file/{digest}',
  'GET /v1/apps',
  'DELETE /v1/apps/{app}',
  'GET /v1/apps/{app}',
  'GET /v1/apps/{app}/config',
  'DELETE /v1/apps/{app}/config/{key}',
  'DELETE /v1/apps/{app}/releases/{number}',
  'PUT /v1/apps/{app}/config/{key}',
  'GET /v1/apps/{app}/plan',
  'GET /v1/apps/{app}/releases',
  'GET /v1/apps/{app}/releases/{number}',
  'POST /v1/apps/{app}/rollback',
  'GET /v1/apps/{app}/rollout',
  'GET /v1/apps/{app}/rollouts',
  'POST /v1/apps/{app}/rollouts/act',
  'GET /v1/apps/{app}/receipts',
  'GET /v1/apps/{app}/why/{module}',
  'GET /v1/apps/{app}/why/{module}/not/{node}',
  'POST /v1/apps/{app}/what-if',
  'POST /v1/apps/{app}/come-home',
  'GET /v1/apps/{app}/releases/{number}/envelope',
  'GET /v1/apps/{app}/releases/{number}/pushed',
  'POST /v1/apps/{app}/releases/{number}/signatures',
  'GET /v1/audit',
  'GET /v1/audit/chain',
  'GET /v1/clients',
  'POST /v1/clients',
  'DELETE /v1/clients/{name}',
  'GET /v1/events',
  'GET /v1/events/follow',
  'GET /v1/install',
  'GET /v1/invites',
  'POST /v1/invites',
  'DELETE /v1/invites/{id}',
  'POST /v1/join',
  'POST /v1/join-site',
  'GET /v1/logs',
  'GET /v1/logs/follow',
  'GET /v1/nodes',
  'DELETE /v1/nodes/{node}',
  'GET /v1/nodes/{node}',
  'PATCH /v1/nodes/{node}',
  'POST /v1/nodes/{node}/boards/{board}/accept',
  'POST /v1/nodes/{node}/revoke',
  'POST /v1/plan',
  'POST /v1/push',
  'POST /v1/renew',
  'GET /v1/root',
  'POST /v1/root',
  'GET /v1/root-chain',
  'GET /v1/sites',
  'POST /v1/sites',
  'DELETE /v1/sites/{site}',
  'GET /v1/sites/{site}',
  'POST /v1/sites/{site}/revoke',
  'GET /v1/status',
  'GET /v1/tokens',
  'POST /v1/tokens',
  'DELETE /v1/tokens/{name}',
  'GET /v1/links',
  'DELETE /v1/upstream',
  'GET /v1/upstream',
  'POST /v1/upstream',
  'GET /v1/values',
  'GET /v1/values/follow',
  'GET /v1/values/history',
]

interface Operation {
  summary?: string
  tags?: string[]
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>
  parameters?: { name: string; in: string; schema: object }[]
  requestBody?: { content: Record<string, { schema: object }> }
}

test('the gateway describes its whole API as OpenAPI 3.1, and every answer of it', async () => {
  const join = async (body: Uint8Array) => body
  const socket = await onSocket(await startGateway(), {
    open: { join, joinSite: join, renew: join, rootChain: () => Uint8Array.of(0) },
  })
  const { status, json: document } = await call(socket, 'GET', '/openapi.json')
  expect([status, document.openapi]).toEqual([200, '3.1.0'])
  const operations = Object.entries(document.paths as Record<string, Record<string, Operation>>).flatMap(
    ([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation })),
  )
  expect(operations.map(({ name }) => name).sort()).toEqual([...routes].sort())
  for (const { name, path, operation } of operations) {
    expect(operation.summary, name).toBeTruthy()
    expect(operation.tags?.length, name).toBe(1)
    expect(Object.keys(operation.responses).sort(), name).toEqual(['200', '4XX', '5XX'])
    for (const response of Object.values(operation.responses)) {
      expect(response.description, name).toBeTruthy()
      expect(Object.keys(response.content ?? {}).length, name).toBe(1)
    }
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter)
    const described = (operation.parameters ?? [])
      .filter((parameter) => parameter.in === 'path')
      .map((parameter) => parameter.name)
    expect(described.sort(), name).toEqual(named.sort())
  }
  const push = operations.find(({ name }) => name === 'POST /v1/push')!.operation
  expect(Object.keys(push.requestBody!.content)).toEqual(['application/cbor'])
  const follow = operations.find(({ name }) => name === 'GET /v1/logs/follow')!.operation
  expect(Object.keys(follow.responses['200']!.content!)).toEqual(['application/x-ndjson'])
})
