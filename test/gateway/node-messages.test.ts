import type { HyphaError } from '@hypha/core/errors.ts'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { signOne } from '@hypha/core/trust/cose.ts'
import { receipt } from '@hypha/core/trust/receipt.ts'
import { presence } from '@hypha/core/wire/messages/presence.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { expect, test } from 'vitest'
import { createNodeMessages } from '../../gateway/node-messages.ts'
import { keys } from '../support/signed.ts'
import { joined, startGateway } from './api/gateway.ts'
import { testIngest } from './ingest/support.ts'

// At a flip the receipts of a whole fleet come at once.

const topics = fleetTopics('garden')
const nodes = ['pi-7', 'pi-8', 'pi-9']

const signed = (node: string) =>
  signOne(
    receipt.encode({
      fleet: 'garden',
      node,
      app: 'greenhouse',
      incarnation: new Uint8Array(8),
      from: null,
      to: { epoch: 4, release: new Uint8Array(32) },
      wave: 0,
      instantMs: 1_000,
      flippedMs: 1_000,
      errorMs: 0.5,
      pauseMs: 1,
      inputs: { before: 0, carried: 0, after: 0, lost: 0, doubled: 0 },
      late: false,
      attested: null,
    }),
    'receipt',
    keys.root2,
  )

test('Receipts that come together are all acknowledged and kept, and a wrong one among them is told of and keeps nothing of the others out', async () => {
  const gateway = await startGateway()
  const { store, reports, pipeline } = gateway
  for (const node of nodes) joined(gateway, node)
  const release = { app: 'greenhouse', number: 1, digest: '1', label: '', createdAt: 1, contents: [] }
  store.apps.addRelease({ ...release, envelope: Uint8Array.of(1) })
  store.epochs.raise('greenhouse', { floor: 60 })
  const problems: [string, HyphaError['code']][] = []
  const { onMessage, onClient } = createNodeMessages({
    topics,
    store,
    ingest: testIngest(store).ingest,
    chunks: { onWant: () => undefined },
    reports,
    planner: pipeline.planner,
    boards: () => undefined,
    sender: { flush: async () => undefined },
    clock: systemClock,
    tellTime: () => undefined,
    leases: pipeline.leases,
    tellLease: () => undefined,
    tellStored: () => undefined,
    disconnect: () => undefined,
    onProblem: (node, { code }) => problems.push([node, code]),
  })
  const acknowledged = nodes.map((id) => {
    const client = { kind: 'node', id, fingerprint: 'ab', expiresAt: Number.MAX_SAFE_INTEGER } as const
    onClient({ kind: 'connected', client, will: null })
    const hello = presence.encode({ connection: 1, online: true, run: null, journal: null })
    void onMessage(client, topics.presence(id), Buffer.from(hello))
    // The second signs what the third should.
    const said = id === 'pi-8' ? signed('pi-9') : signed(id)
    const handled = onMessage(client, topics.up(id, 'receipt'), Buffer.from(said))
    onClient({ kind: 'disconnected', client, will: null })
    return handled
  })
  await Promise.all(acknowledged)
  expect(store.receipts.list('greenhouse', 4).map(({ node }) => node)).toEqual(['pi-7', 'pi-9'])
  expect(problems).toEqual([['pi-8', 'receipt-wrong']])
})
