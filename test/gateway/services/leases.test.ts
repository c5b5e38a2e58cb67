import { type LeaseAsk, leaseAnswer, leaseAsk } from '@hypha/core/wire/messages/lease.ts'
import { expect, test } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import { createGateway } from '../../../gateway/services/services.ts'
import { componentImporting, joined, pushOf, reports, startGateway, type TestGateway } from '../api/gateway.ts'
import { comes, leaves } from './nodes.ts'

// Who gets a lease and when a node is given up, with nodes that say what the test has them say.

const shared = { app: 'greenhouse', module: 'ledger', home: null }

async function start(): Promise<TestGateway> {
  const gateway = await startGateway()
  for (const id of ['edge-1', 'edge-2']) {
    joined(gateway, id, 'edge')
    reports(gateway, id, 'edge')
  }
  gateway.pipeline.start()
  const { envelope, components } = pushBody.decode(
    pushOf([{ name: 'ledger', component: await componentImporting('sql'), spec: { timerMs: 1_000 } }]),
  )
  await gateway.pipeline.pushes.push(envelope, components, {})
  return gateway
}

const epochOf = ({ store }: Pick<TestGateway, 'store'>, node: string): number =>
  store.directives.get(node)?.directive.sections[0]?.epoch ?? 0

let nonce = 0
const askOf = (epoch: number, changes: Partial<LeaseAsk> = {}): Uint8Array =>
  leaseAsk.encode({
    nonce: new Uint8Array(8).fill(++nonce),
    forMs: 3_000,
    instances: [{ ...shared, epoch }],
    ...changes,
  })

const granted = (gateway: Pick<TestGateway, 'pipeline'>, node: string, ask: Uint8Array): readonly number[] =>
  leaseAnswer.decode(gateway.pipeline.leases.ask(node, ask)!).granted

const eventsOf = ({ store }: TestGateway): string[] => store.events.list({}).map(({ code }) => code)

const placed = ({ store }: Pick<TestGateway, 'store'>): string | undefined =>
  (store.apps.latestPlan('greenhouse')!.json as { instances: { node: string }[] }).instances[0]?.node

test('A lease is for what the node’s newest directive lists, in an epoch that it knows of, and for one node at a time', async () => {
  const gateway = await start()
  const epoch = epochOf(gateway, 'edge-1')
  expect(granted(gateway, 'edge-1', askOf(epoch))).toEqual([0])
  expect(granted(gateway, 'edge-1', askOf(epoch - 1))).toEqual([])
  expect(granted(gateway, 'edge-2', askOf(epoch))).toEqual([])
  expect(gateway.store.leases.list()).toEqual([{ name: 'greenhouse/ledger', node: 'edge-1', forMs: 3_000 }])
  // It has stopped it.
  expect(granted(gateway, 'edge-1', askOf(0, { instances: [] }))).toEqual([])
  expect(gateway.store.leases.list()).toEqual([])
})

test('A node that is away is given up when its lease has run out and not before; what it had goes elsewhere, and doesn’t jump back', async () => {
  const gateway = await start()
  const { clock } = gateway
  expect(placed(gateway)).toBe('edge-1')
  granted(gateway, 'edge-1', askOf(epochOf(gateway, 'edge-1')))
  clock.advance(1_000)
  leaves(gateway, 'edge-1')
  const { where } = await gateway.services.apps.show('greenhouse')
  expect(where[0]!.note).toBe('edge-1 is away: it is placed elsewhere once its lease has run out, in 2 s')
  clock.advance(1_999)
  expect(placed(gateway)).toBe('edge-1')
  clock.advance(1)
  expect(placed(gateway)).toBe('edge-2')
  expect(eventsOf(gateway)).toEqual(expect.arrayContaining(['node-lost', 'moved']))
  comes(gateway, 'edge-1')
  expect(gateway.pipeline.leases.settles('edge-1')).toBe(true)
  clock.advance(60_000)
  expect(gateway.pipeline.leases.settles('edge-1')).toBe(false)
  expect(placed(gateway)).toBe('edge-2')
  expect(eventsOf(gateway)).toContain('node-back')
  expect(gateway.sent.failures).toEqual([])
})

test('One that comes back in time keeps all that it had', async () => {
  const gateway = await start()
  granted(gateway, 'edge-1', askOf(epochOf(gateway, 'edge-1')))
  leaves(gateway, 'edge-1')
  gateway.clock.advance(2_900)
  comes(gateway, 'edge-1')
  gateway.clock.advance(120_000)
  expect(placed(gateway)).toBe('edge-1')
  expect(eventsOf(gateway)).not.toContain('node-lost')
})

test('A gateway that was restarted takes no lease for run out that it can’t know of, nor gives it to another', async () => {
  const gateway = await start()
  const epoch = epochOf(gateway, 'edge-1')
  granted(gateway, 'edge-1', askOf(epoch))
  gateway.pipeline.stop()
  gateway.store.nodes.setAllOffline()
  const { pipeline, reports: heard } = createGateway(gateway.deps)
  pipeline.start()
  const again: TestGateway = { ...gateway, pipeline, reports: heard }
  comes(again, 'edge-2')
  // Three seconds, and ten in which nodes come back.
  gateway.clock.advance(12_999)
  expect(placed(gateway)).toBe('edge-1')
  gateway.clock.advance(1)
  expect(placed(gateway)).toBe('edge-2')
  expect(granted(again, 'edge-2', askOf(epochOf(gateway, 'edge-2')))).toEqual([0])
  pipeline.stop()
})

test('Another machine under a node’s name waits until the lease of the one before has run out', async () => {
  const gateway = await start()
  const epoch = epochOf(gateway, 'edge-1')
  granted(gateway, 'edge-1', askOf(epoch))
  gateway.reports.replaced('edge-1')
  const now = epochOf(gateway, 'edge-1')
  expect(granted(gateway, 'edge-1', askOf(now))).toEqual([])
  gateway.clock.advance(3_000)
  expect(granted(gateway, 'edge-1', askOf(now))).toEqual([0])
})

test('A node that asks without end is answered now and then', async () => {
  const gateway = await start()
  const answers = Array.from({ length: 100 }, () => gateway.pipeline.leases.ask('edge-1', askOf(1)))
  expect(answers.filter((answer) => answer !== null).length).toBeLessThan(40)
  expect(() => gateway.pipeline.leases.ask('edge-1', new Uint8Array([0xff]))).toThrow()
})
