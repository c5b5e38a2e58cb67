import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type JoinIdentity, join, renew } from '../../../agent/join/join.ts'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import { createInvite, type InviteRequest } from '../../../gateway/enrol/invites.ts'
import { type JoinUrl, parseJoinUrl } from '../../../src/wire/join-url.ts'
import { makeKeys, startTestGateway, type TestGateway } from './support.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway()
})
afterAll(() => gateway.close())

function invite(node: string, more: Partial<InviteRequest> = {}): JoinUrl {
  const request: InviteRequest = {
    fleet: 'greens',
    node,
    tier: 'device',
    host: '127.0.0.1',
    port: gateway.port,
    ca: gateway.authority.fingerprint,
    root: gateway.rootDigest,
    ...more,
  }
  return parseJoinUrl(createInvite(request, gateway.invites, gateway.deps.now).url)
}

const refusal = (url: JoinUrl, identity: JoinIdentity = makeKeys()) =>
  join(url, identity).then(
    () => 'joined',
    (error) => error.code,
  )

test('an invited node gets a certificate for its own key, the CA and the root metadata', async () => {
  const keys = makeKeys()
  const answer = await join(invite('pi-1', { tier: 'edge' }), keys)
  const certificate = new X509Certificate(answer.certificate)
  expect(certificate.checkPrivateKey(keys.privateKey)).toBe(true)
  expect(certificate.subject).toContain('CN=pi-1')
  expect(certificate.verify(new X509Certificate(answer.ca).publicKey)).toBe(true)
  expect(answer).toMatchObject({ fleet: 'greens', tier: 'edge', brokerHost: '127.0.0.1', brokerPort: 8883 })
  expect(answer.root).toEqual(gateway.root)
})

test('a node whose connection was cut before the answer came joins by the same invitation', async () => {
  const keys = makeKeys()
  const url = invite('pi-2')
  gateway.cut = true
  expect(await refusal(url, keys)).toBe('join-unreachable')
  const first = await join(url, keys)
  expect((await join(url, keys)).certificate).toBe(first.certificate)
})

test('an invitation that was used is refused to another key', async () => {
  const url = invite('pi-3')
  await join(url, makeKeys())
  expect(await refusal(url)).toBe('join-token-used')
})

test('of two keys that use one invitation at once exactly one joins', async () => {
  const url = invite('pi-4')
  const outcomes = await Promise.all([refusal(url), refusal(url), refusal(url)])
  expect(outcomes.toSorted()).toEqual(['join-token-used', 'join-token-used', 'joined'])
})

test('an expired invitation is refused, also to the key that used it', async () => {
  const keys = makeKeys()
  const url = invite('pi-5', { hours: 1 })
  await join(url, keys)
  gateway.now += 3_600_000
  expect(await refusal(url, keys)).toBe('join-token-expired')
})

test('a token opens nothing for another node, and a wrong one nothing at all', async () => {
  const url = invite('pi-6')
  expect(await refusal({ ...url, node: 'pi-1' })).toBe('join-token-unknown')
  expect(await refusal({ ...url, token: 'B'.repeat(43) })).toBe('join-token-unknown')
})

test('a key that the sender does not hold is refused', async () => {
  const [mine, stolen] = [makeKeys(), makeKeys()]
  expect(await refusal(invite('pi-7'), { ...mine, publicKey: stolen.publicKey })).toBe('join-proof-invalid')
  const other = { ...mine, sign: () => new Uint8Array(64) }
  expect(await refusal(invite('pi-8'), other)).toBe('join-proof-invalid')
})

test('a gateway with another CA than the pinned one is sent nothing', async () => {
  const elsewhere = await createAuthority('greens')
  const url = invite('pi-9', { ca: elsewhere.fingerprint })
  expect(await refusal(url)).toBe('join-ca-mismatch')
  expect([...gateway.invites.all.values()].find((entry) => entry.node === 'pi-9')?.used).toBeNull()
})

test('a gateway that shows the pinned CA but whose certificate is for another address is refused', async () => {
  const wrong = await startTestGateway(['gateway.lan'])
  const url = invite('pi-10', { port: wrong.port, ca: wrong.authority.fingerprint })
  expect(await refusal(url)).toBe('join-ca-mismatch')
  await wrong.close()
})

test('root metadata other than the pinned one is refused', async () => {
  expect(await refusal(invite('pi-11', { root: '0'.repeat(64) }))).toBe('join-root-mismatch')
})

test('a joined node gets a fresh certificate by proof of its key, another key does not', async () => {
  const keys = makeKeys()
  const joined = await join(invite('pi-12'), keys)
  const from = { host: '127.0.0.1', port: gateway.port, fleet: 'greens', node: 'pi-12', ca: joined.ca }
  const renewed = await renew(from, keys.sign)
  expect(renewed.certificate).not.toBe(joined.certificate)
  expect(new X509Certificate(renewed.certificate).checkPrivateKey(keys.privateKey)).toBe(true)
  await expect(renew(from, makeKeys().sign)).rejects.toMatchObject({ code: 'join-proof-invalid' })
  await expect(renew({ ...from, node: 'nobody' }, keys.sign)).rejects.toMatchObject({ code: 'join-proof-invalid' })
})

test('where nobody listens the error says so', async () => {
  expect(await refusal(invite('pi-13', { port: 1 }))).toBe('join-unreachable')
})

test('the token is kept nowhere', () => {
  const url = invite('pi-14')
  expect(JSON.stringify([...gateway.invites.all.entries()])).not.toContain(url.token)
})
