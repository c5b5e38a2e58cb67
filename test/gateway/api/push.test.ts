import { fromUtf8 } from '@hypha/core/bytes/text.ts'
import { release as releaseCodec } from '@hypha/core/trust/release.ts'
import { makeBoxKeys, openSealed } from '@hypha/core/trust/seal.ts'
import { beforeAll, expect, test } from 'vitest'
import { crypto } from '../../support/signed.ts'
import { call, followed, type Where } from './calls.ts'
import {
  type AppModule,
  componentImporting,
  joined,
  onSocket,
  pushOf,
  releaseOf,
  reports,
  startFleet,
  type TestGateway,
} from './gateway.ts'

let app: AppModule[]
let spare: Uint8Array

beforeAll(async () => {
  const [sensor, sql, http] = [
    await componentImporting('sensor', 'telemetry'),
    await componentImporting('sql'),
    await componentImporting('http'),
  ]
  app = [
    { name: 'sampler', component: sensor, spec: { timerMs: 1_000, publish: ['climate/#'] } },
    { name: 'ledger', component: sql, spec: { timerMs: 1_000, subscribe: ['climate/#'] } },
    { name: 'report', component: http },
  ]
  spare = await componentImporting('log')
})

const pushed = async (where: Where, modules = app, changes = {}) => {
  const { status, json } = await call(where, 'POST', '/v1/push', pushOf(modules, changes))
  if (status !== 200) throw new Error(`${json.code}: ${json.message}`)
  return json
}

const places = (plan: { instances: { module: string; home: string | null; node: string }[] }) =>
  plan.instances.map(({ module, home, node }) => `${module}${home === null ? '' : `@${home}`} → ${node}`)

const versions = (gateway: TestGateway) =>
  Object.fromEntries(gateway.store.directives.list().map(({ node, version }) => [node, version]))

test('a push is accepted, placed and directed, and the answer explains it', async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  const answer = await pushed(socket)
  expect(answer).toMatchObject({ app: 'greenhouse', number: 1, epoch: 1 })
  expect(places(answer.plan)).toEqual([
    'ledger → gw-edge',
    'report → cloud-1',
    'sampler@pi-7 → pi-7',
    'sampler@pi-8 → pi-8',
  ])
  expect(gateway.sent.directives.map(({ node, version }) => [node, version])).toEqual([
    ['cloud-1', 1],
    ['gw-edge', 1],
    ['pi-7', 1],
    ['pi-8', 1],
  ])
  expect((await call(socket, 'GET', '/v1/apps/greenhouse/plan')).json).toEqual(answer.plan)
  expect((await call(socket, 'GET', '/v1/apps/greenhouse/why/ledger')).json.sentences[0]).toMatch(
    /^ledger runs on gw-edge: /,
  )
  expect((await call(socket, 'GET', '/v1/apps/greenhouse/why/nobody')).status).toBe(404)
  expect((await call(socket, 'GET', '/v1/apps')).json).toMatchObject([
    { name: 'greenhouse', release: 1, latest: 1, label: '1.0.0', epoch: 1, complete: true, instances: 4, running: 0 },
  ])
  expect((await call(socket, 'GET', '/v1/apps/greenhouse/releases/1')).json.modules[0]).toMatchObject({
    name: 'sampler',
    imports: ['hypha:host/sensor@0.1.0', 'hypha:host/telemetry@0.1.0'],
  })
  const { json: rollout } = await call(socket, 'GET', '/v1/apps/greenhouse/rollout')
  expect(rollout).toMatchObject({ epoch: 1, release: 1, done: false })
  expect(rollout.nodes[0]).toMatchObject({ node: 'cloud-1', status: 'waiting', epoch: 1 })
  expect((await call(socket, 'GET', '/v1/audit')).json[0]).toMatchObject({
    actor: 'local',
    action: 'app.push',
    subject: 'greenhouse',
  })
})

test('a push whose answer was lost can be repeated; it changes nothing', async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  await pushed(socket)
  expect((await pushed(socket)).epoch).toBe(1)
  expect(versions(gateway)).toEqual({ 'cloud-1': 1, 'gw-edge': 1, 'pi-7': 1, 'pi-8': 1 })
})

test('a plan without a push changes nothing', async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  const payload = releaseCodec.encode(releaseOf(app))
  const { status, json } = await call(socket, 'POST', '/v1/plan', payload)
  expect([status, places(json).length, json.complete]).toEqual([200, 4, true])
  expect(gateway.sent.directives).toEqual([])
  expect((await call(socket, 'GET', '/v1/apps')).json).toEqual([])
  expect((await call(socket, 'GET', '/v1/audit')).json).toEqual([])
})

test('what is refused leaves nothing behind', async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  const lonely = await componentImporting('log')
  const unknown = { ...releaseOf([{ name: 'm', component: lonely }]) }
  const faulty = app.map((module) => ({ ...module, spec: { ...module.spec, requires: [] } }))
  const missing = pushOf(faulty).slice(0, -10)
  expect((await call(socket, 'POST', '/v1/push', missing)).status).toBe(400)
  const tampered = pushOf(app, { modules: unknown.modules.map((module) => ({ ...module, features: ['simd'] })) })
  expect((await call(socket, 'POST', '/v1/push', tampered)).json.code).toBe('push-incomplete')
  expect((await call(socket, 'GET', '/v1/apps')).json).toEqual([])
  expect(gateway.store.apps.releases('greenhouse')).toEqual([])
  expect(gateway.sent.directives).toEqual([])
})

test('a release that no fleet could hold is refused with the circle printed', async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  const { componentOf, wat } = await import('../../support/wasm-guest.ts')
  const linked = async (wants: string, gives: string) =>
    componentOf(
      await wat(
        `(module (import "acme:app/${wants}@0.1.0" "run" (func)) (memory (export "memory") 1) (func (export "acme:app/${gives}@0.1.0#run")))`,
      ),
      `package acme:app@0.1.0; interface ${wants} { run: func(); } interface ${gives} { run: func(); } world w { import ${wants}; export ${gives}; }`,
    )
  const circle = [
    { name: 'a', component: await linked('one', 'two') },
    { name: 'b', component: await linked('two', 'one') },
  ]
  const { status, json } = await call(socket, 'POST', '/v1/push', pushOf(circle))
  expect([status, json.code]).toEqual([422, 'link-unresolvable'])
  expect(json.message).toContain('their links go round in a circle: a → b → a')
  expect((await call(socket, 'GET', '/v1/apps')).json).toEqual([])
})

test('a rollback runs the release that ran before, or one that is named', async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  await pushed(socket)
  expect((await call(socket, 'POST', '/v1/apps/greenhouse/rollback', {})).json.code).toBe('not-found')
  await pushed(socket, app, { number: 2, label: 'two' })
  await pushed(socket, app, { number: 3, label: 'three' })
  const back = (await call(socket, 'POST', '/v1/apps/greenhouse/rollback', {})).json
  expect([back.number, back.epoch]).toEqual([2, 4])
  expect((await call(socket, 'POST', '/v1/apps/greenhouse/rollback', { number: 1 })).json.number).toBe(1)
  expect((await call(socket, 'POST', '/v1/apps/greenhouse/rollback', { number: 9 })).status).toBe(404)
  const { json: releases } = await call(socket, 'GET', '/v1/apps/greenhouse/releases')
  expect(releases.map(({ number, current }: { number: number; current: boolean }) => [number, current])).toEqual([
    [3, false],
    [2, false],
    [1, true],
  ])
  await pushed(socket, app, { number: 4, floor: 3 })
  const refused = await call(socket, 'POST', '/v1/apps/greenhouse/rollback', { number: 2 })
  expect([refused.status, refused.json.code]).toEqual([409, 'release-below-floor'])
})

test('labels decide anew where an app runs, and only the nodes that are concerned hear of it', async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  const picky = app.map((module) =>
    module.name === 'sampler' ? { ...module, spec: { ...module.spec, requires: ['roof'] } } : module,
  )
  expect((await pushed(socket, picky)).plan.complete).toBe(false)
  const { json } = await call(socket, 'PATCH', '/v1/nodes/pi-7', { addLabels: ['roof'], zone: 'north' })
  expect([json.labels, json.zone]).toEqual([['roof'], 'north'])
  expect(places((await call(socket, 'GET', '/v1/apps/greenhouse/plan')).json)).toContain('sampler@pi-7 → pi-7')
  expect(versions(gateway)).toEqual({ 'cloud-1': 1, 'gw-edge': 1, 'pi-7': 1 })
  await call(socket, 'PATCH', '/v1/nodes/pi-7', { removeLabels: ['roof'] })
  expect(gateway.sent.directives.at(-1)).toMatchObject({ node: 'pi-7', version: 2, sections: [] })
})

test('a secret reaches each node sealed to that node, is never shown, and is the same each time', async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  const keys = makeBoxKeys(crypto)
  joined(gateway, 'pi-9', 'device', keys.publicKey)
  reports(gateway, 'pi-9')
  await pushed(socket)
  const set = await call(socket, 'PUT', '/v1/apps/greenhouse/config/token', {
    value: 's3cret',
    secret: true,
    module: 'sampler',
  })
  expect(set.json).toEqual({
    app: 'greenhouse',
    module: 'sampler',
    node: null,
    key: 'token',
    value: null,
    secret: true,
  })
  const configOf = (node: string) =>
    gateway.store.directives.get(node)!.directive.sections[0]!.instances.find((item) => item.module === 'sampler')!
      .config.token
  const sealed = configOf('pi-9')
  if (sealed?.kind !== 'sealed') throw new Error('not sealed')
  expect(fromUtf8(openSealed(sealed, keys.secretKey)!)).toBe('s3cret')
  expect(configOf('pi-7')).not.toEqual(sealed)
  const before = versions(gateway)
  gateway.pipeline.planner.replan()
  expect(versions(gateway)).toEqual(before)
  expect(versions(gateway)).toMatchObject({ 'gw-edge': 1, 'pi-9': 2 })
  expect(JSON.stringify((await call(socket, 'GET', '/v1/audit')).json)).not.toContain('s3cret')
  await call(socket, 'DELETE', '/v1/apps/greenhouse/config/token?module=sampler')
  expect(configOf('pi-9')).toBeUndefined()
})

test('a node that is removed is told to leave, and is forgotten when it has', async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  await pushed(socket)
  await call(socket, 'DELETE', '/v1/nodes/pi-8')
  expect(gateway.sent.directives.at(-1)).toMatchObject({ node: 'pi-8', version: 2, leave: true, sections: [] })
  expect(places((await call(socket, 'GET', '/v1/apps/greenhouse/plan')).json)).not.toContain('sampler@pi-8 → pi-8')
  expect((await call(socket, 'GET', '/v1/nodes/pi-8')).json.removedAt).toBeGreaterThan(0)
  reports(gateway, 'pi-8', 'device', { directive: 2 })
  await expect.poll(() => gateway.store.nodes.get('pi-8')).toBeNull()
  expect(gateway.sent.forgotten).toEqual(['pi-8'])
  expect((await call(socket, 'GET', '/v1/nodes/pi-8')).status).toBe(404)
  await call(socket, 'DELETE', '/v1/nodes/pi-7?force=true')
  expect((await call(socket, 'GET', '/v1/nodes/pi-7')).status).toBe(404)
})

test('an app that is removed leaves nothing behind, and one that comes back begins above its epochs', async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  await pushed(socket)
  await pushed(socket, app, { number: 2 })
  await call(socket, 'DELETE', '/v1/apps/greenhouse')
  expect(gateway.sent.appsRemoved).toEqual(['greenhouse'])
  expect(gateway.store.directives.list().map(({ directive }) => directive.sections.length)).toEqual([0, 0, 0, 0])
  for (const path of ['', '/plan', '/releases', '/rollout', '/config']) {
    expect((await call(socket, 'GET', `/v1/apps/greenhouse${path}`)).status, path).toBe(404)
  }
  expect((await pushed(socket)).epoch).toBe(3)
})

test('two apps share what a node has, the older one first', async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  const wide = (name: string) => [
    {
      name,
      component: spare,
      spec: {
        limits: { memoryBytes: 65_536, turnMs: 1, telemetryPerS: 1, messagesPerS: 1, kvBytes: 0 },
        requires: ['tier=edge'],
      },
    },
  ]
  const { json: edge } = await call(socket, 'GET', '/v1/nodes/gw-edge')
  reports(gateway, 'gw-edge', 'edge', { inventory: { ...edge.inventory, memoryBytes: 65_536 } })
  expect((await pushed(socket, wide('one'), { app: 'older' })).plan.complete).toBe(true)
  gateway.clock.advance(1_000)
  const { plan } = await pushed(socket, wide('two'), { app: 'younger' })
  expect(plan.unplaced[0].reasons.at(-1).text).toBe('needs 64 KiB of memory, gw-edge has 0 left of 64 KiB')
  expect(JSON.stringify(plan.refusals)).toContain('needs 64 KiB of memory, gw-edge has 0 left of 64 KiB')
  expect((await call(socket, 'GET', '/v1/nodes/gw-edge')).json.memoryUsedBytes).toBe(65_536)
  await call(socket, 'DELETE', '/v1/apps/older')
  expect((await call(socket, 'GET', '/v1/apps/younger')).json.complete).toBe(true)
  const { json: events } = await call(socket, 'GET', '/v1/events?app=younger')
  expect(events.map(({ code }: { code: string }) => code)).toEqual(['unplaced', 'placed'])
})

test('events are followed as they happen', async () => {
  const gateway = await startFleet()
  const socket = await onSocket(gateway)
  const lines = followed(socket, '/v1/events/follow?app=greenhouse', 1, () => {
    void call(
      socket,
      'POST',
      '/v1/push',
      pushOf([{ name: 'm', component: app[2]!.component, spec: { requires: ['moon'] } }]),
    )
  })
  expect(await lines).toMatchObject([{ app: 'greenhouse', module: 'm', code: 'unplaced', node: null }])
  await expect.poll(() => gateway.feeds.events.followers).toBe(0)
})

test('clients and invitations come with what they need, once', async () => {
  const socket = await onSocket(await startFleet())
  const { json: made } = await call(socket, 'POST', '/v1/clients', {
    name: 'screen',
    publish: ['m/greenhouse/#'],
    subscribe: ['v/#'],
  })
  expect(made.certificate).toMatch(/^-----BEGIN CERTIFICATE/)
  expect(made.key).toMatch(/^-----BEGIN PRIVATE KEY/)
  expect(made.view).toMatchObject({ publish: ['hypha/garden/m/greenhouse/#'], subscribe: ['hypha/garden/v/#'] })
  expect((await call(socket, 'POST', '/v1/clients', { name: 'screen' })).json.code).toBe('name-taken')
  expect((await call(socket, 'POST', '/v1/clients', { name: 'pi-7' })).json.code).toBe('name-taken')
  for (const publish of ['#', 'v/a', 'n/pi-7/state', 'hypha/meadow/m/a', 'm#']) {
    expect((await call(socket, 'POST', '/v1/clients', { name: 'x', publish: [publish] })).json.code, publish).toBe(
      'topic-invalid',
    )
  }
  expect(JSON.stringify((await call(socket, 'GET', '/v1/clients')).json)).not.toContain('PRIVATE')
  const { json: invited } = await call(socket, 'POST', '/v1/invites', {
    node: 'pi-9',
    tier: 'device',
    labels: ['roof'],
  })
  expect(invited.url).toMatch(/^hypha:/)
  expect((await call(socket, 'GET', '/v1/invites')).json).toEqual([invited.invite])
  expect((await call(socket, 'POST', '/v1/invites', { node: 'pi-7', tier: 'device' })).json.code).toBe('name-taken')
  expect((await call(socket, 'DELETE', `/v1/invites/${invited.invite.id}`)).status).toBe(200)
  expect((await call(socket, 'DELETE', `/v1/invites/${invited.invite.id}`)).status).toBe(404)
})
