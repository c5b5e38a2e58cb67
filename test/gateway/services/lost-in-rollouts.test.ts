import type { Release } from '@hypha/core/trust/release.ts'
import { expect, test } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import {
  type AppModule,
  componentImporting,
  joined,
  pushOf,
  reports,
  startGateway,
  type TestGateway,
} from '../api/gateway.ts'
import { comes, leaves, says, settled } from './nodes.ts'

// A node that could have run a shared instance is lost at a moment at which a rollout has something to do with it.

const sampler = async (): Promise<AppModule> => ({ name: 'sampler', component: await componentImporting('sensor') })
const ledger = async (): Promise<AppModule> => ({
  name: 'ledger',
  component: await componentImporting('sql'),
  spec: { timerMs: 1_000 },
})

const push = (gateway: TestGateway, modules: AppModule[], number: number, rollout: Release['rollout'] = null) => {
  const { envelope, components } = pushBody.decode(pushOf(modules, { number, rollout }))
  return gateway.pipeline.pushes.push(envelope, components, rollout === null ? { snap: true } : {})
}

async function start(): Promise<TestGateway> {
  const gateway = await startGateway()
  for (const id of ['edge-1', 'edge-2']) {
    joined(gateway, id, 'edge')
    reports(gateway, id, 'edge')
  }
  joined(gateway, 'pi-7', 'device')
  reports(gateway, 'pi-7', 'device')
  gateway.pipeline.start()
  // After a start nodes are given some time to come back.
  gateway.clock.advance(120_000)
  return gateway
}

const toTheInstant = ({ clock }: TestGateway) => clock.advance(1_000)

/** By the plan in force. */
const placed = ({ store }: TestGateway): string | undefined =>
  (store.apps.latestPlan('greenhouse')!.json as { instances: { node: string; module: string }[] }).instances.find(
    ({ module }) => module === 'ledger',
  )?.node

const stateOf = (gateway: TestGateway) => gateway.pipeline.rollouts.show('greenhouse').state

const lost = ({ store }: TestGateway): (string | null)[] =>
  store.events
    .list({})
    .filter(({ code }) => code === 'node-lost')
    .map(({ node }) => node)

/** All have prepared. */
async function ended(gateway: TestGateway, nodes: readonly string[]): Promise<void> {
  toTheInstant(gateway)
  for (const node of nodes) await says(gateway, node, 'confirmed')
  expect(stateOf(gateway)).toBe('done')
}

/** The first release runs on the device alone. */
async function running(): Promise<TestGateway> {
  const gateway = await start()
  await push(gateway, [await sampler()], 1)
  await says(gateway, 'pi-7', 'prepared')
  await ended(gateway, ['pi-7'])
  return gateway
}

test('A node that goes while a rollout brings it its first lease is given up, and the rollout prepares again without it', async () => {
  const gateway = await running()
  await push(gateway, [await sampler(), await ledger()], 2)
  await says(gateway, 'edge-1', 'prepared')
  leaves(gateway, 'edge-1')
  gateway.clock.advance(1)
  await settled()
  expect(lost(gateway)).toEqual(['edge-1'])
  for (const node of ['edge-2', 'pi-7']) await says(gateway, node, 'prepared')
  await ended(gateway, ['edge-2', 'pi-7'])
  expect(placed(gateway)).toBe('edge-2')
  expect(gateway.sent.failures).toEqual([])
})

test('Where a rollout is paused while it prepares, a lost node is given up all the same; it stays paused, and then prepares by a plan without it', async () => {
  const gateway = await running()
  await push(gateway, [await sampler(), await ledger()], 2)
  for (const node of ['edge-1', 'pi-7']) await says(gateway, node, 'prepared')
  await ended(gateway, ['edge-1', 'pi-7'])
  expect(placed(gateway)).toBe('edge-1')
  await push(gateway, [await sampler(), await ledger()], 3)
  gateway.pipeline.rollouts.act('greenhouse', 'pause', 'somebody')
  leaves(gateway, 'edge-1')
  gateway.clock.advance(1)
  expect(lost(gateway)).toEqual(['edge-1'])
  expect(stateOf(gateway)).toBe('paused')
  expect(placed(gateway)).toBe('edge-2')
  gateway.pipeline.rollouts.act('greenhouse', 'resume', 'somebody')
  expect(stateOf(gateway)).toBe('preparing')
  for (const node of ['edge-2', 'pi-7']) await says(gateway, node, 'prepared')
  await ended(gateway, ['edge-2', 'pi-7'])
  expect(placed(gateway)).toBe('edge-2')
  expect(gateway.sent.failures).toEqual([])
})

/** Keeps the second edge in the app's plans. */
const pinned = async (): Promise<AppModule> => ({
  name: 'audit',
  component: await componentImporting('sql'),
  spec: { requires: ['second'] },
})

const all = ['edge-1', 'edge-2', 'pi-7']

/** The ledger runs on the first edge, and a release comes in two waves, to the nodes with a label first. */
async function inWaves(first: readonly string[]): Promise<TestGateway> {
  const gateway = await running()
  for (const node of all) {
    gateway.store.nodes.setLabels(node, [
      ...(first.includes(node) ? ['first'] : []),
      ...(node === 'edge-2' ? ['second'] : []),
    ])
  }
  const app = [await sampler(), await ledger(), await pinned()]
  await push(gateway, app, 2)
  for (const node of all) await says(gateway, node, 'prepared')
  await ended(gateway, all)
  expect(placed(gateway)).toBe('edge-1')
  const rest = {
    successPercent: null,
    failurePercent: null,
    prepareMs: null,
    approve: false,
    rollback: true,
    windows: [],
    health: [],
  }
  await push(gateway, app, 3, { ...rest, waves: [{ kind: 'label', label: 'first' }], soakMs: 1_000 })
  for (const node of first) await says(gateway, node, 'prepared')
  toTheInstant(gateway)
  for (const node of first) await says(gateway, node, 'confirmed')
  expect(stateOf(gateway)).toBe('soaking')
  return gateway
}

const sections = (gateway: TestGateway, node: string) =>
  gateway.store.directives
    .get(node)!
    .directive.sections.map(({ phase, epoch, wave, instances }) => [
      phase,
      epoch,
      wave,
      instances.map(({ module }) => module).join(),
    ])

async function loses(gateway: TestGateway, node: string): Promise<void> {
  leaves(gateway, node)
  gateway.clock.advance(1)
  await settled()
  expect(lost(gateway)).toEqual([node])
}

/** What there is one of, and has state of its own, goes on from what is known of it. */
const handed = (gateway: TestGateway, node: string) =>
  gateway.store.directives
    .get(node)!
    .directive.sections.flatMap(({ states }) => states ?? [])
    .map(({ module }) => module)

test('Between two waves, what ran on a lost node goes to one that runs the same release; the next wave is prepared above that', async () => {
  const gateway = await inWaves(['pi-7'])
  expect(sections(gateway, 'edge-2')).toEqual([['run', 2, null, 'audit']])
  await loses(gateway, 'edge-1')
  expect(placed(gateway)).toBe('edge-2')
  expect(sections(gateway, 'edge-2')).toEqual([['run', 4, null, 'audit,ledger']])
  expect(handed(gateway, 'edge-2')).toEqual(['ledger'])
  expect(sections(gateway, 'pi-7')).toEqual([['run', 3, null, 'sampler']])
  await says(gateway, 'edge-2', 'confirmed')
  gateway.clock.advance(1_000)
  await settled()
  expect(sections(gateway, 'edge-2')).toEqual([
    ['run', 4, null, 'audit,ledger'],
    ['prepare', 5, 1, 'audit,ledger'],
  ])
  await says(gateway, 'edge-2', 'prepared')
  toTheInstant(gateway)
  await says(gateway, 'edge-2', 'confirmed')
  gateway.clock.advance(1_000)
  await settled()
  expect(stateOf(gateway)).toBe('done')
  expect(placed(gateway)).toBe('edge-2')
  expect(sections(gateway, 'pi-7')).toEqual([['run', 3, null, 'sampler']])
  expect(gateway.sent.failures).toEqual([])
})

test('While a later wave prepares, that is dropped for it, and prepared again', async () => {
  const gateway = await inWaves(['pi-7'])
  gateway.clock.advance(1_000)
  await settled()
  expect(sections(gateway, 'edge-2')).toEqual([
    ['run', 2, null, 'audit'],
    ['prepare', 3, 1, 'audit'],
  ])
  await loses(gateway, 'edge-1')
  expect(sections(gateway, 'edge-2')).toEqual([
    ['run', 4, null, 'audit,ledger'],
    ['prepare', 5, 1, 'audit,ledger'],
  ])
  expect(gateway.sent.failures).toEqual([])
})

test('What had flipped goes on in the new release, and so does what nothing else can hold that hasn’t', async () => {
  const flipped = await inWaves(['edge-1', 'edge-2'])
  await loses(flipped, 'edge-1')
  expect(placed(flipped)).toBe('edge-2')
  expect(sections(flipped, 'edge-2')).toEqual([['run', 4, null, 'audit,ledger']])
  await says(flipped, 'edge-2', 'confirmed')
  flipped.clock.advance(1_000)
  await settled()
  expect(sections(flipped, 'pi-7')).toEqual([
    ['run', 2, null, 'sampler'],
    ['prepare', 5, 1, 'sampler'],
  ])
  const only = await inWaves(['pi-7', 'edge-2'])
  await loses(only, 'edge-1')
  expect(placed(only)).toBe('edge-2')
  expect(sections(only, 'edge-2')).toEqual([['run', 4, null, 'audit,ledger']])
  expect(only.sent.failures).toEqual([])
})

test('A paused rollout stays paused meanwhile, and the node that comes back gets nothing back', async () => {
  const gateway = await inWaves(['pi-7'])
  gateway.pipeline.rollouts.act('greenhouse', 'pause', 'ada')
  await loses(gateway, 'edge-1')
  expect(stateOf(gateway)).toBe('paused')
  expect(placed(gateway)).toBe('edge-2')
  comes(gateway, 'edge-1')
  gateway.clock.advance(60_000)
  await settled()
  expect(placed(gateway)).toBe('edge-2')
  expect(sections(gateway, 'edge-1')).toEqual([])
  expect(stateOf(gateway)).toBe('paused')
  expect(gateway.sent.failures).toEqual([])
})
