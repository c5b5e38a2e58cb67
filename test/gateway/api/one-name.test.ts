import { expect, test } from 'vitest'
import { call } from './calls.ts'
import { onSocket, startGateway } from './gateway.ts'

// The broker knows nodes and other clients by the same kind of name, and lets the newer connection of a name end the older.

test('No client gets the name for which a node is invited, and no node that of a client', async () => {
  const socket = await onSocket(await startGateway())
  expect((await call(socket, 'POST', '/v1/invites', { node: 'pi-7', tier: 'device' })).status).toBe(200)
  expect((await call(socket, 'POST', '/v1/clients', { name: 'pi-7' })).json.code).toBe('name-taken')
  expect((await call(socket, 'POST', '/v1/clients', { name: 'grafana' })).status).toBe(200)
  expect((await call(socket, 'POST', '/v1/invites', { node: 'grafana', tier: 'cloud' })).json.code).toBe('name-taken')
})
