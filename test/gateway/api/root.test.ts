import { toHex } from '@hypha/core/bytes/text.ts'
import { openEnvelope } from '@hypha/core/trust/cose.ts'
import { maxDirectiveBytes } from '@hypha/core/trust/snapshot.ts'
import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import { expect, test } from 'vitest'
import { crypto, dayMs, keys, makeRoot, signer, signRoot, startMs, thief } from '../../support/signed.ts'
import { call } from './calls.ts'
import { componentImporting, onSocket, onTls, pushOf, startFleet, startGateway } from './gateway.ts'

const newKey = signer(7)
const gateway2 = { threshold: 1, keys: [newKey.publicKey] }
const body = (...envelopes: Uint8Array[]) => rootChain.encode({ envelopes })

test('root metadata is shown with its roles, and every version as it was signed', async () => {
  const socket = await onSocket(await startGateway())
  const { status, json } = await call(socket, 'GET', '/v1/root')
  expect(status).toBe(200)
  expect(json).toMatchObject({ fleet: 'garden', version: 1, expiresAt: makeRoot().expiresMs })
  expect(json.roles.gateway).toEqual({
    threshold: 1,
    keys: [{ id: toHex(keys.gateway.kid), publicKey: toHex(keys.gateway.publicKey) }],
  })
  expect(json.envelopes).toEqual([Buffer.from(signRoot(makeRoot())).toString('base64')])
})

test('newer root metadata is taken, told to the fleet, and stands in the audit log', async () => {
  const gateway = await startGateway()
  const socket = await onSocket(gateway)
  const next = signRoot(makeRoot({ version: 2, expiresMs: startMs + 10_000 * dayMs }))
  const { status, json } = await call(socket, 'POST', '/v1/root', body(next))
  expect([status, json.version, json.envelopes.length]).toEqual([200, 2, 2])
  expect(gateway.sent.roots).toEqual([2])
  expect((await call(socket, 'GET', '/v1/audit')).json[0]).toMatchObject({
    action: 'root.update',
    subject: '2',
    actor: 'local',
  })
  // Whoever asks again after an answer that was lost is told the same, and nothing happens twice.
  expect((await call(socket, 'POST', '/v1/root', body(signRoot(makeRoot()), next))).status).toBe(200)
  expect(gateway.sent.roots).toEqual([2])
})

test('what its keys have not signed is refused, whoever asks', async () => {
  const gateway = await startGateway()
  const socket = await onSocket(gateway)
  const forged = await call(socket, 'POST', '/v1/root', body(signRoot(makeRoot({ version: 2 }), [thief])))
  expect([forged.status, forged.json.code]).toEqual([403, 'threshold-not-met'])
  const gap = await call(socket, 'POST', '/v1/root', body(signRoot(makeRoot({ version: 3 }))))
  expect(gap.json.code).toBe('root-version')
  expect((await call(socket, 'POST', '/v1/root', Uint8Array.of(1, 2, 3))).status).toBe(400)
  expect(gateway.sent.roots).toEqual([])
})

test('only an admin may bring it', async () => {
  const gateway = await startGateway()
  const [socket, tls] = [await onSocket(gateway), await onTls(gateway)]
  const { token } = (await call(socket, 'POST', '/v1/tokens', { name: 'otto', role: 'operator' })).json
  const next = body(signRoot(makeRoot({ version: 2 })))
  expect((await call({ ...tls, token }, 'POST', '/v1/root', next)).json.code).toBe('not-allowed')
  expect((await call({ ...tls, token }, 'GET', '/v1/root')).status).toBe(200)
})

test("when the gateway's key is replaced every directive is signed anew, with versions that begin anew", async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  const app = pushOf([{ name: 'sampler', component: await componentImporting('sensor'), spec: { timerMs: 1_000 } }])
  expect((await call(socket, 'POST', '/v1/push', app)).status).toBe(200)
  await call(socket, 'PUT', '/v1/apps/greenhouse/config/level', { value: '1', secret: false })
  const before = gateway.store.directives.list()
  expect(before.map(({ version }) => version).every((version) => version > 1)).toBe(true)

  gateway.signing.by = newKey
  await call(socket, 'POST', '/v1/root', body(signRoot(makeRoot({ version: 2, gateway: gateway2 }))))
  const after = gateway.store.directives.list()
  expect(after.map(({ node, version }) => [node, version])).toEqual(before.map(({ node }) => [node, 1]))
  for (const [index, { envelope, directive }] of after.entries()) {
    const [signature] = openEnvelope(envelope, 'directive', maxDirectiveBytes).signatures
    expect(signature!.verifies(newKey.publicKey, crypto)).toBe(true)
    // To the byte what was asked for before: nothing is started anew for it.
    expect(directive.sections).toEqual(before[index]!.directive.sections)
  }
  expect(gateway.sent.directives.map(({ node }) => node)).toEqual(expect.arrayContaining(after.map(({ node }) => node)))
})

test('a second key of the gateway changes no directive', async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  const app = pushOf([{ name: 'sampler', component: await componentImporting('sensor'), spec: { timerMs: 1_000 } }])
  await call(socket, 'POST', '/v1/push', app)
  const before = gateway.store.directives.list()
  const both = { threshold: 1, keys: [keys.gateway.publicKey, newKey.publicKey] }
  await call(socket, 'POST', '/v1/root', body(signRoot(makeRoot({ version: 2, gateway: both }))))
  expect(gateway.store.directives.list()).toEqual(before)
})

test('an operator is told in time that root metadata expires, and that no key may be lost', async () => {
  const gateway = await startGateway()
  const socket = await onSocket(gateway)
  const notices = async () => (await call(socket, 'GET', '/v1/status')).json.notices as string[]
  expect(await notices()).toEqual([])
  const two = { threshold: 2, keys: [keys.root.publicKey, keys.root2.publicKey] }
  const soon = signRoot(makeRoot({ version: 2, root: two, expiresMs: gateway.clock.now() + 59.5 * dayMs }), [
    keys.root,
    keys.root2,
  ])
  expect((await call(socket, 'POST', '/v1/root', body(soon))).status).toBe(200)
  expect(await notices()).toEqual([
    expect.stringMatching(/version 2 expires in 59 days: .*hypha root renew/),
    expect.stringMatching(/All 2 root keys have to sign: .*hypha key add root/),
  ])
  gateway.clock.advance(60 * dayMs)
  expect((await notices())[0]).toMatch(/version 2 has expired/)
})
