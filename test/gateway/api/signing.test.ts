import { toHex } from '@hypha/core/bytes/text.ts'
import { addSignature, openEnvelope, type Signer, signaturesBy } from '@hypha/core/trust/cose.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import { maxReleaseBytes } from '@hypha/core/trust/snapshot.ts'
import { beforeAll, expect, test } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import { followRoot } from '../../../gateway/keys/fleet.ts'
import { releasePayload, signRelease } from '../../../gateway/push/release.ts'
import { crypto, keys, makeRoot, thief } from '../../support/signed.ts'
import { call, type Where } from './calls.ts'
import { type AppModule, componentImporting, onSocket, releaseOf, startFleet, type TestGateway } from './gateway.ts'

const operator = { name: 'local', role: 'admin' } as const
const both = { threshold: 2, keys: [keys.release.publicKey, keys.release2.publicKey] }

let app: AppModule[]

beforeAll(async () => {
  app = [{ name: 'ledger', component: await componentImporting('sql') }]
})

/** Root metadata that follows what is in force. */
async function rotate(gateway: TestGateway, release: RootMetadata['release']): Promise<void> {
  await gateway.services.root.submit([followRoot(gateway.deps.root(), { release }, [keys.root])], operator)
}

async function fleetOf(release = both): Promise<{ gateway: TestGateway; socket: Where }> {
  const gateway = await startFleet()
  if (release !== makeRoot().release) await rotate(gateway, release)
  return { gateway, socket: await onSocket(gateway) }
}

const signedBy = (signers: readonly Signer[], changes = {}) =>
  signRelease(releasePayload(releaseOf(app, changes)), signers)
const push = (socket: Where, signers: readonly Signer[], changes = {}) =>
  call(
    socket,
    'POST',
    '/v1/push',
    pushBody.encode({ envelope: signedBy(signers, changes), components: [app[0]!.component] }),
  )
const sign = (socket: Where, number: number, envelope: Uint8Array) =>
  call(socket, 'POST', `/v1/apps/greenhouse/releases/${number}/signatures`, envelope)
const envelopeOf = async (socket: Where, number: number) => {
  const { json } = await call(socket, 'GET', `/v1/apps/greenhouse/releases/${number}/envelope`)
  return { ...json, bytes: Uint8Array.from(Buffer.from(json.envelope, 'base64')) }
}
const signNotices = async (socket: Where): Promise<string[]> =>
  (await call(socket, 'GET', '/v1/status')).json.notices.filter((text: string) => text.includes('hypha sign'))
const kid = ({ kid: id }: Signer) => toHex(id)
const versions = (gateway: TestGateway) => gateway.store.directives.list().map(({ node, version }) => [node, version])

test('a push that one of two has signed waits, and runs once the other hand has signed', async () => {
  const { gateway, socket } = await fleetOf()
  const { status, json } = await push(socket, [keys.release])
  expect([status, json.pending, json.signed, json.threshold, json.epoch]).toEqual([200, true, 1, 2, 0])
  expect(json.signedBy).toEqual([kid(keys.release)])
  expect(json.plan.instances).toMatchObject([{ module: 'ledger', node: 'gw-edge' }])
  expect(gateway.sent.directives).toEqual([])
  expect((await call(socket, 'GET', '/v1/apps')).json).toMatchObject([{ latest: 1, pending: 1, release: null }])
  expect((await call(socket, 'GET', '/v1/apps/greenhouse/releases')).json).toMatchObject([
    { number: 1, pending: true, signed: 1, threshold: 2, signedBy: [kid(keys.release)], current: false },
  ])
  expect(await signNotices(socket)).toEqual(['greenhouse 1 is signed 1 of 2, and waits: hypha sign greenhouse@1.'])
  const { bytes, role } = await envelopeOf(socket, 1)
  expect(role).toEqual({ threshold: 2, keys: both.keys.map(toHex) })
  const signed = await sign(socket, 1, addSignature(bytes, 'release', keys.release2, maxReleaseBytes))
  expect(signed.json).toMatchObject({ pending: false, signed: 2, epoch: 1 })
  expect(gateway.sent.directives.map(({ node }) => node)).toEqual(['gw-edge'])
  expect((await call(socket, 'GET', '/v1/apps')).json).toMatchObject([{ latest: 1, pending: null, release: 1 }])
  expect(await signNotices(socket)).toEqual([])
  const actions = (await call(socket, 'GET', '/v1/audit')).json.map(({ action }: { action: string }) => action)
  expect(actions.slice(0, 2)).toEqual(['release.sign', 'app.push'])
})

test('the second hand may also push the same release, signed by itself alone', async () => {
  const { gateway, socket } = await fleetOf()
  await push(socket, [keys.release])
  expect((await push(socket, [keys.release2])).json).toMatchObject({ pending: false, signed: 2 })
  expect(versions(gateway)).toEqual([['gw-edge', 1]])
  expect((await push(socket, [keys.release])).json).toMatchObject({ pending: false, signed: 2, epoch: 1 })
  expect(versions(gateway)).toEqual([['gw-edge', 1]])
})

test('what waits can be fetched as it was pushed, with the signatures that it has', async () => {
  const { socket } = await fleetOf()
  await push(socket, [keys.release])
  const { status, type, bytes } = await call(socket, 'GET', '/v1/apps/greenhouse/releases/1/pushed')
  expect([status, type]).toEqual([200, 'application/cbor'])
  const { envelope, components } = pushBody.decode(new Uint8Array(bytes))
  expect(envelope).toEqual((await envelopeOf(socket, 1)).bytes)
  expect(components).toEqual([app[0]!.component])
})

test('a signature that is not by a key of the role, or not over these words, changes nothing', async () => {
  const { gateway, socket } = await fleetOf()
  await push(socket, [keys.release])
  const { bytes } = await envelopeOf(socket, 1)
  const stranger = addSignature(bytes, 'release', thief, maxReleaseBytes)
  expect((await sign(socket, 1, stranger)).json).toMatchObject({ pending: true, signed: 1 })
  expect((await sign(socket, 1, signedBy([thief]))).json.code).toBe('threshold-not-met')
  expect((await sign(socket, 1, signedBy([keys.release2], { label: 'other' }))).json.code).toBe('envelope-malformed')
  const broken = addSignature(bytes, 'release', { ...keys.release2, sign: () => new Uint8Array(64) }, maxReleaseBytes)
  expect((await sign(socket, 1, broken)).json).toMatchObject({ pending: true, signed: 1 })
  expect((await sign(socket, 1, Uint8Array.of(1, 2, 3))).status).toBeGreaterThanOrEqual(400)
  expect((await sign(socket, 2, bytes)).json.code).toBe('not-found')
  expect(toHex((await envelopeOf(socket, 1)).bytes)).toBe(toHex(bytes))
  expect(gateway.sent.directives).toEqual([])
})

test('what waits is no release to roll back to, counts for the next number, and gives way to a newer one', async () => {
  const { gateway, socket } = await fleetOf()
  const pair = [keys.release, keys.release2]
  await push(socket, pair)
  await push(socket, [keys.release], { number: 2, floor: 2 })
  expect((await call(socket, 'GET', '/v1/apps/greenhouse')).json).toMatchObject({ release: 1, latest: 2, floor: 0 })
  const rollback = (body: object) => call(socket, 'POST', '/v1/apps/greenhouse/rollback', body)
  expect((await rollback({ number: 2 })).json.code).toBe('release-pending')
  expect((await rollback({})).json.code).toBe('not-found')
  expect((await push(socket, pair, { number: 2, label: 'other' })).json.code).toBe('release-number')
  expect((await push(socket, [keys.release2], { number: 3 })).json).toMatchObject({ pending: true })
  const numbers = () => gateway.store.apps.allReleases('greenhouse').map(({ number }) => number)
  expect(numbers()).toEqual([3, 1])
  expect((await push(socket, pair, { number: 4 })).json).toMatchObject({ pending: false, number: 4 })
  expect(numbers()).toEqual([4, 1])
})

test('what waits can be removed, and nothing is left of an app that never ran', async () => {
  const { gateway, socket } = await fleetOf()
  await push(socket, [keys.release])
  expect((await call(socket, 'DELETE', '/v1/apps/greenhouse/releases/1')).status).toBe(200)
  expect(gateway.store.apps.list()).toEqual([])
  expect(gateway.store.db.prepare('SELECT count(*) AS n FROM contents').get()).toEqual({ n: 0 })
})

test('what runs with too few signatures after root has replaced a key is told of, signed again, and not activated anew', async () => {
  const { gateway, socket } = await fleetOf({ threshold: 1, keys: [keys.release.publicKey] })
  await push(socket, [keys.release])
  await rotate(gateway, { threshold: 1, keys: [keys.release2.publicKey] })
  expect(await signNotices(socket)).toEqual([
    'greenhouse 1 has 0 of 1 signatures of the release role: hypha sign greenhouse@1.',
  ])
  expect((await call(socket, 'POST', '/v1/apps/greenhouse/rollback', { number: 1 })).json.code).toBe(
    'threshold-not-met',
  )
  const [before] = gateway.store.directives.get('gw-edge')!.directive.sections
  const { bytes } = await envelopeOf(socket, 1)
  const again = addSignature(bytes, 'release', keys.release2, maxReleaseBytes)
  expect((await sign(socket, 1, again)).json).toMatchObject({ pending: false, signed: 1, epoch: 1 })
  const { version, directive } = gateway.store.directives.get('gw-edge')!
  const [after] = directive.sections
  expect([version, after!.epoch, after!.release]).toEqual([2, before!.epoch, before!.release])
  expect(after!.envelope).toEqual(crypto.sha256(again))
  expect(after!.contents.map(({ digest }) => toHex(digest))).toEqual([
    toHex(after!.envelope),
    ...before!.contents.slice(1).map(({ digest }) => toHex(digest)),
  ])
  // Nodes that follow root later still know the former key.
  expect(openEnvelope(again, 'release', maxReleaseBytes).signatures).toHaveLength(2)
  expect(await signNotices(socket)).toEqual([])
})

test('what runs keeps its envelope until the new one has enough signatures', async () => {
  const { gateway, socket } = await fleetOf({ threshold: 1, keys: [keys.release.publicKey] })
  await push(socket, [keys.release])
  const pair = [keys.root2, keys.release2]
  await rotate(gateway, { threshold: 2, keys: pair.map(({ publicKey }) => publicKey) })
  const first = addSignature((await envelopeOf(socket, 1)).bytes, 'release', pair[0]!, maxReleaseBytes)
  expect((await sign(socket, 1, first)).json).toMatchObject({ pending: false, signed: 1, threshold: 2 })
  expect(versions(gateway)).toEqual([['gw-edge', 1]])
  const { bytes } = await envelopeOf(socket, 1)
  const second = addSignature(bytes, 'release', pair[1]!, maxReleaseBytes)
  expect((await sign(socket, 1, second)).json).toMatchObject({ signed: 2 })
  expect(versions(gateway)).toEqual([['gw-edge', 2]])
  const role = gateway.deps.root().release
  expect(signaturesBy(openEnvelope(second, 'release', maxReleaseBytes), role, crypto).valid).toHaveLength(2)
})

test('an envelope that is full of signatures lets go of those that no key of the role has made', async () => {
  const { gateway, socket } = await fleetOf({ threshold: 1, keys: [keys.release.publicKey] })
  const strangers = Array.from({ length: 15 }, (_, index) => ({
    ...thief,
    kid: Uint8Array.of(index, 0, 0, 0, 0, 0, 0, 0),
  }))
  await push(socket, [keys.release, ...strangers])
  await rotate(gateway, both)
  const mine = signedBy([keys.release2])
  expect((await sign(socket, 1, mine)).json).toMatchObject({ signed: 2 })
  const { bytes } = await envelopeOf(socket, 1)
  const opened = openEnvelope(bytes, 'release', maxReleaseBytes)
  expect(opened.signatures).toHaveLength(16)
  expect(signaturesBy(opened, both, crypto).valid.map(toHex).sort()).toEqual(
    [keys.release, keys.release2].map(kid).sort(),
  )
})
