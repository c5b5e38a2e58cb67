import { expect, test } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import {
  type AppModule,
  componentImporting,
  inventoryOf,
  joined,
  pushOf,
  reports,
  startFleet,
  startGateway,
  type TestGateway,
} from '../api/gateway.ts'

const operator = { name: 'local', role: 'admin' } as const

const push = (gateway: TestGateway, modules: AppModule[], changes = {}) =>
  gateway.services.apps.push(pushBody.decode(pushOf(modules, changes)), operator)

const ledger = async (): Promise<AppModule[]> => [
  {
    name: 'ledger',
    component: await componentImporting('sql'),
    spec: { timerMs: 1_000, subscribe: ['climate/#'], publish: ['sum'] },
  },
]

const placeOf = async (gateway: TestGateway, module: string) =>
  (await gateway.services.apps.plan('greenhouse')).instances.find((item) => item.module === module)?.node

test('nodes that report one after another cause one replan, a little later', async () => {
  const gateway = await startGateway()
  await push(gateway, await ledger())
  expect((await gateway.services.apps.plan('greenhouse')).complete).toBe(false)
  for (const id of ['edge-1', 'edge-2']) {
    joined(gateway, id, 'edge')
    reports(gateway, id, 'edge')
  }
  expect(gateway.sent.directives).toEqual([])
  gateway.clock.advance(200)
  expect(gateway.sent.directives.map(({ node }) => node)).toEqual(['edge-1'])
  // The same report again is no reason to think anew.
  reports(gateway, 'edge-2', 'edge')
  expect(gateway.clock.waiting).toBe(0)
})

test('what waits for an instance follows it to its new node', async () => {
  const gateway = await startFleet()
  await push(gateway, await ledger())
  const target = { app: 'greenhouse', module: 'ledger', home: null }
  gateway.store.inputs.add({ node: 'gw-edge', ...target, topic: 'climate/t', payload: Uint8Array.of(1), queuedAt: 1 })
  joined(gateway, 'a-edge', 'edge')
  reports(gateway, 'a-edge', 'edge')
  reports(gateway, 'gw-edge', 'edge', { inventory: inventoryOf('edge', { interfaces: [] }) })
  gateway.clock.advance(200)
  expect(await placeOf(gateway, 'ledger')).toBe('a-edge')
  // The node that had it never says what it kept.
  expect(gateway.store.inputs.pending('a-edge')).toEqual([])
  gateway.clock.advance(20_000)
  expect(gateway.store.inputs.pending('a-edge').map(({ topic }) => topic)).toEqual(['climate/t'])
  expect(gateway.sent.inputsMoved).toEqual(['a-edge'])
  const events = await gateway.services.events.query({})
  expect(events.at(-1)).toMatchObject({ code: 'moved', text: 'greenhouse/ledger moves from gw-edge to a-edge' })
  await gateway.services.apps.remove('greenhouse', operator)
  expect(gateway.store.inputs.pending('a-edge')).toEqual([])
})

test('a shared instance stays where it is while its node is away', async () => {
  const gateway = await startFleet()
  joined(gateway, 'z-edge', 'edge')
  reports(gateway, 'z-edge', 'edge')
  await push(gateway, await ledger())
  expect(await placeOf(gateway, 'ledger')).toBe('gw-edge')
  gateway.store.nodes.setPresence(
    'gw-edge',
    { connection: 2, online: false, run: null, journal: null },
    gateway.clock.now(),
  )
  gateway.reports.presence('gw-edge', false)
  gateway.pipeline.planner.replan()
  expect(await placeOf(gateway, 'ledger')).toBe('gw-edge')
})

test('a gateway that starts sends every directive again, and changes none', async () => {
  const gateway = await startFleet()
  await push(gateway, await ledger())
  const before = gateway.store.directives.list()
  gateway.sent.directives.length = 0
  gateway.pipeline.start()
  expect(gateway.sent.directives.map(({ node, version }) => [node, version])).toEqual([['gw-edge', 1]])
  expect(gateway.store.directives.list()).toEqual(before)
  gateway.pipeline.stop()
  expect(gateway.clock.waiting).toBe(0)
})

test('directives are renewed while the gateway runs, before a node that was away would find them expired', async () => {
  const gateway = await startFleet()
  await push(gateway, await ledger())
  gateway.pipeline.start()
  gateway.clock.advance(16 * 86_400_000)
  const { version, directive: renewed } = gateway.store.directives.get('gw-edge')!
  expect(version).toBe(2)
  expect(renewed.sections[0]!.epoch).toBe(1)
  expect(renewed.expiresMs).toBeGreaterThan(gateway.clock.now() + 14 * 86_400_000)
})

test('pushes that come at once are carried out in their order', async () => {
  const gateway = await startFleet()
  const app = await ledger()
  const answers = await Promise.allSettled([1, 2, 3].map((number) => push(gateway, app, { number })))
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
  expect((await gateway.services.apps.plan('greenhouse')).release).toBe(3)
})

test('messages are routed as the plan in force says', async () => {
  const gateway = await startFleet()
  const app = [
    ...(await ledger()),
    {
      name: 'sampler',
      component: await componentImporting('sensor'),
      spec: { publish: ['climate/#'], subscribe: ['sum'] },
    },
  ]
  await push(gateway, app)
  const from = { kind: 'instance', node: 'pi-7', module: 'sampler', home: 'pi-7', served: null } as const
  expect(gateway.pipeline.planner.targets('greenhouse', from, 'climate/t')).toEqual([
    { app: 'greenhouse', node: 'gw-edge', module: 'ledger', home: null },
  ])
  expect(gateway.pipeline.planner.targets('greenhouse', from, 'sum')).toBeNull()
  expect(gateway.pipeline.planner.targets('greenhouse', { kind: 'world' }, 'sum')!.map(({ home }) => home)).toEqual([
    'pi-7',
    'pi-8',
  ])
  expect(gateway.pipeline.planner.targets('nothing', from, 'climate/t')).toBeNull()
  const runs = (node: string, module: string, home: string | null) =>
    gateway.pipeline.planner.runs(node, { app: 'greenhouse', module, home })
  expect([runs('pi-7', 'sampler', 'pi-7'), runs('gw-edge', 'ledger', null)]).toEqual([true, true])
  expect([runs('pi-8', 'sampler', 'pi-7'), runs('pi-7', 'ledger', null)]).toEqual([false, false])
})

test('the views show what nodes report', async () => {
  const gateway = await startFleet()
  await push(gateway, await ledger())
  const section = gateway.store.directives.get('gw-edge')!.directive.sections[0]!
  const instance = { module: 'ledger', home: null, status: 'running', restarts: 0, turns: 5, error: null } as const
  reports(gateway, 'gw-edge', 'edge', {
    directive: 1,
    sections: [
      {
        app: 'greenhouse',
        epoch: 1,
        release: section.release,
        status: 'confirmed',
        code: null,
        message: null,
        running: section.release,
        prepare: null,
        instances: [instance],
      },
    ],
  })
  expect(await gateway.services.apps.rollout('greenhouse')).toMatchObject({ done: true })
  expect(await gateway.services.apps.show('greenhouse')).toMatchObject({
    running: 1,
    where: [{ module: 'ledger', node: 'gw-edge', status: 'running', turns: 5, online: true }],
  })
  expect(await gateway.services.nodes.show('gw-edge')).toMatchObject({
    directive: { wanted: 1, held: 1 },
    sections: [{ app: 'greenhouse', release: { number: 1 }, running: { number: 1 } }],
  })
  expect(await gateway.services.status()).toMatchObject({ instances: { wanted: 1, running: 1 }, notices: [] })
})
