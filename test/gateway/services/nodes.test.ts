import { expect, it } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import { componentImporting, inventoryOf, pushOf, startFleet, type TestGateway } from '../api/gateway.ts'

// What an operator does with nodes that are lost or dead, decided by the gateway's services over a real database.

const by = { name: 'local', role: 'admin' } as const

async function withMeter(): Promise<TestGateway> {
  const gateway = await startFleet()
  const component = await componentImporting('sensor')
  const { envelope, components } = pushBody.decode(pushOf([{ name: 'meter', component }]))
  await gateway.services.apps.push({ envelope, components }, by)
  await gateway.services.config.set('greenhouse', 'token', { value: 'hush', secret: true }, by)
  return gateway
}

const homes = async ({ services }: TestGateway) =>
  (await services.apps.plan('greenhouse')).instances.map(({ home }) => home).sort()

it('Revoking a node ends its connection, places its instances anew, voids its invitations, tells it nothing, and names the secrets that it had', async () => {
  const gateway = await withMeter()
  const { services, store, sent } = gateway
  expect(await homes(gateway)).toEqual(['pi-7', 'pi-8'])
  await services.invites.create({ node: 'pi-7', replace: true }, by)
  const version = store.directives.version('pi-7')
  sent.directives.length = 0

  const { node, secrets } = await services.nodes.revoke('pi-7', { reason: 'stolen' }, by)
  expect(node).toMatchObject({ id: 'pi-7', online: false, revoked: { at: gateway.clock.now(), reason: 'stolen' } })
  expect(secrets).toEqual([{ app: 'greenhouse', key: 'token' }])
  expect(sent.revoked).toEqual(['pi-7'])
  expect(sent.directives.map((made) => made.node)).not.toContain('pi-7')
  expect(await homes(gateway)).toEqual(['pi-8'])
  expect(await services.invites.list()).toEqual([])
  expect(store.nodes.accepts('pi-7')).toBe(false)
  // What it was told last stays, so that versions go on above it.
  expect(store.directives.version('pi-7')).toBe(version)
  expect((await services.audit({}))[0]).toMatchObject({
    action: 'node.revoke',
    subject: 'pi-7',
    details: { reason: 'stolen' },
  })

  await expect(services.nodes.revoke('pi-7', {}, by)).rejects.toMatchObject({ code: 'node-revoked' })
  await expect(services.nodes.revoke('pi-99', {}, by)).rejects.toMatchObject({ code: 'not-found' })
  await services.nodes.remove('pi-7', { force: false }, by)
  expect(store.nodes.has('pi-7')).toBe(false)
})

it('A name is given to another device only where that is said; its tier, labels and zone stay, and secrets are sealed to the new key under a higher version', async () => {
  const gateway = await withMeter()
  const { services, store } = gateway
  await services.nodes.change('pi-7', { addLabels: ['floor=2'], zone: 'north' }, by)
  await expect(services.invites.create({ node: 'pi-7' }, by)).rejects.toMatchObject({ code: 'name-taken' })
  await expect(services.invites.create({ node: 'pi-99', replace: true }, by)).rejects.toMatchObject({
    code: 'not-found',
  })
  const { invite } = await services.invites.create({ node: 'pi-7', replace: true }, by)
  expect(invite).toMatchObject({ node: 'pi-7', tier: 'device', replaces: true })

  const before = store.directives.get('pi-7')!
  store.runs.add('pi-7', new Uint8Array(8).fill(1))
  const { tokenDigest } = store.invites.listInvites()[0]!
  const keys = { publicKey: new Uint8Array(32).fill(5), boxKey: new Uint8Array(32).fill(9) }
  const use = { ...keys, at: 7, fingerprint: 'ee'.repeat(32), certificateExpiresAt: 8, answer: new Uint8Array(1) }
  expect(store.invites.redeemInvite(tokenDigest, use)).toBe(true)
  gateway.reports.replaced('pi-7')

  const node = store.nodes.get('pi-7')!
  expect(node).toMatchObject({ ...keys, labels: ['floor=2'], zone: 'north', state: null, presence: null })
  // What it provides is taken to be the same until it says otherwise: its instances keep their place, and what waits for them.
  expect(node.inventory).toEqual(inventoryOf('device'))
  expect(await homes(gateway)).toEqual(['pi-7', 'pi-8'])
  expect(store.runs.look('pi-7', new Uint8Array(8).fill(1))).toBe('never')
  const after = store.directives.get('pi-7')!
  expect(after.version).toBeGreaterThan(before.version)
  const box = (record: typeof before) => record.directive.sections[0]!.instances[0]!.config.token
  expect(box(after)).toMatchObject({ kind: 'sealed' })
  expect(box(after)).not.toEqual(box(before))
  expect(gateway.sent.directives.at(-1)).toMatchObject({ node: 'pi-7', version: after.version })
})

it('A revoked node may be replaced, and is one like any other then', async () => {
  const gateway = await withMeter()
  const { services, store } = gateway
  const { version } = store.directives.get('pi-7')!
  await services.nodes.revoke('pi-7', {}, by)
  await services.invites.create({ node: 'pi-7', replace: true }, by)
  const { tokenDigest } = store.invites.listInvites()[0]!
  const keys = { publicKey: new Uint8Array(32).fill(5), boxKey: new Uint8Array(32).fill(9) }
  const use = { ...keys, at: 7, fingerprint: 'ee'.repeat(32), certificateExpiresAt: 8, answer: new Uint8Array(1) }
  store.invites.redeemInvite(tokenDigest, use)
  gateway.reports.replaced('pi-7')
  expect(await services.nodes.show('pi-7')).toMatchObject({ revoked: null, clonedAt: null })
  expect(store.nodes.accepts('pi-7')).toBe(true)
  expect(await homes(gateway)).toEqual(['pi-7', 'pi-8'])
  expect(store.directives.version('pi-7')).toBeGreaterThan(version)
})

it('A cloned node is in the notices with what to do, and is forgotten at once when it is removed', async () => {
  const gateway = await startFleet()
  const { services, store } = gateway
  store.nodes.setCloned('pi-7', gateway.clock.now())
  const { notices } = await services.status()
  expect(notices).toContainEqual(expect.stringContaining('hypha invite pi-7 --replace'))
  await services.nodes.remove('pi-7', { force: false }, by)
  expect(store.nodes.has('pi-7')).toBe(false)
})
