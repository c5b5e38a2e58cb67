import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { joinProof, joinRequest, renewProof, renewRequest } from '@hypha/core/wire/messages/join.ts'
import nacl from 'tweetnacl'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createInvite } from '../../../gateway/enrol/invites.ts'
import { type EnrolDeps, handleJoin, handleRenew } from '../../../gateway/enrol/join.ts'
import { parseJoinUrl } from '../../../src/wire/join-url.ts'
import { startTestGateway, type TestGateway } from './support.ts'

// The neutral element of the curve as a key: who has it has "signed" everything, by a signature of itself and zero.
const identity = new Uint8Array(32)
identity[0] = 1
const forged = new Uint8Array(64)
forged[0] = 1

let gateway: TestGateway
let deps: EnrolDeps
beforeAll(async () => {
  gateway = await startTestGateway()
  deps = { ...gateway.deps, crypto: nodeCrypto }
})
afterAll(() => gateway.close())

test('nobody joins with a key whose signature fits every message, though there are implementations that take it', async () => {
  const { url } = createInvite(
    {
      fleet: 'greens',
      node: 'pi-1',
      tier: 'device',
      host: '127.0.0.1',
      port: 1,
      ca: gateway.authority.fingerprint,
      root: gateway.rootDigest,
    },
    gateway.invites,
    gateway.deps.now,
  )
  const { node, token } = parseJoinUrl(url)
  const request = { node, token, publicKey: identity, boxKey: new Uint8Array(32).fill(7), proof: forged }
  expect(nacl.sign.detached.verify(joinProof('greens', request), forged, identity)).toBe(true)
  await expect(handleJoin(joinRequest.encode(request), deps)).rejects.toMatchObject({ code: 'join-proof-invalid' })
})

test('nobody renews with such a key, should it have come into the database', async () => {
  const findNode = () => ({ tier: 'device' as const, publicKey: identity })
  expect(nacl.sign.detached.verify(renewProof('greens', 'pi-1'), forged, identity)).toBe(true)
  const renewed = handleRenew(renewRequest.encode({ node: 'pi-1', proof: forged }), {
    ...deps,
    findNode,
    recordCertificate: () => undefined,
  })
  await expect(renewed).rejects.toMatchObject({ code: 'join-proof-invalid' })
})
