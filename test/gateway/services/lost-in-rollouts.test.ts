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
import { leaves, says, settled } from './nodes.ts'

// A node that could have run a shared instance is lost at a moment at which a rollout has something to do with it.

const sampler = async (): Promise<AppModule> => ({ name: 'sampler', component: await componentImporting('sensor') })
const ledger = async (): Promise<AppModule> => ({
  name: 'ledger',
  component: await componentImporting('sql'),
  spec: { timerMs: 1_000 },
})

const push = (gateway: TestGateway, modules: AppModule[], number: number) => {
  const { envelope, components } = pushBody.decode(pushOf(modules, { number }))
  return gateway.pipeline.pushes.push(envelope, components, { snap: true })
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
