import { toHex } from '@hypha/core/bytes/text.ts'
import { checkpoint, checkpointAck, checkpointPiece, kept } from '@hypha/core/wire/messages/checkpoint.ts'
import { expect, test } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import { crypto } from '../../support/signed.ts'
import {
  componentImporting,
  inventoryOf,
  joined,
  pushOf,
  reports,
  startFleet,
  type TestGateway,
} from '../api/gateway.ts'

const operator = { name: 'local', role: 'admin' } as const
const ledger = { app: 'greenhouse', module: 'ledger', home: null }
const source = (gateway: TestGateway) => gateway.store.meta.source

/** A ledger on gw-edge that has to go to a-edge; what it is directed to meanwhile. */
async function moving(): Promise<TestGateway> {
  const gateway = await startFleet()
  const spec = { timerMs: 1_000, subscribe: ['climate/#'], publish: ['sum'] }
  const modules = [{ name: 'ledger', component: await componentImporting('sql'), spec }]
  await gateway.services.apps.push(pushBody.decode(pushOf(modules)), operator)
  joined(gateway, 'a-edge', 'edge')
  reports(gateway, 'a-edge', 'edge')
  for (const queuedAt of [1, 2, 3]) {
    gateway.store.inputs.add({
      node: 'gw-edge',
      ...ledger,
      topic: 'climate/t',
      payload: Uint8Array.of(queuedAt),
      queuedAt,
    })
  }
  reports(gateway, 'gw-edge', 'edge', { inventory: inventoryOf('edge', { interfaces: [] }) })
  gateway.clock.advance(200)
  return gateway
}

const told = (gateway: TestGateway, node: string) => {
  const section = gateway.store.directives.get(node)?.directive.sections.find(({ app }) => app === 'greenhouse')
  return { instances: (section?.instances ?? []).map(({ module }) => module), states: section?.states ?? null }
}
const waiting = (gateway: TestGateway, node: string) =>
  gateway.store.inputs.pending(node).map(({ payload }) => payload[0])
const numbers = (gateway: TestGateway) => gateway.store.inputs.pending('gw-edge').map(({ number }) => number)

interface Said {
  readonly final?: boolean
  readonly number?: number
  readonly handled?: number
  readonly count?: number
  readonly move?: number
  readonly turns?: number
  readonly unbegun?: true
  readonly waiting?: readonly { number: number; topic: string; payload: Uint8Array; publisher: string | null }[]
}

/** What a node sends of the ledger, in one piece. */
function says(gateway: TestGateway, node: string, said: Said): void {
  const keeps = {
    ...ledger,
    state: null,
    kv: [{ key: 'count', value: Uint8Array.of(said.count ?? 0) }],
    handled: [{ source: source(gateway), number: said.handled ?? 0 }],
    calls: null,
    timer: null,
  }
  const whole = checkpoint.encode({
    ...ledger,
    incarnation: new Uint8Array(8).fill(node.length),
    number: said.number ?? 1,
    final: said.final ?? true,
    turns: said.turns ?? 0,
    stoppedMs: null,
    kept: said.unbegun ? null : kept.encode(keeps),
    waiting: said.waiting ?? [],
    move: said.move ?? 0,
    unbegun: said.unbegun ?? null,
  })
  const piece = { digest: crypto.sha256(whole), size: whole.length, offset: 0, bytes: whole }
  const answer = gateway.reports.checkpoints.piece(node, checkpointPiece.encode(piece))
  expect(checkpointAck.decode(answer!)).toEqual({ digest: piece.digest, outcome: 'stored' })
}

/** What was handed to a node, as it will read it. */
function handed(gateway: TestGateway, node: string) {
  const [state] = told(gateway, node).states ?? []
  if (state === undefined) return null
  const { kv } = kept.decode(gateway.store.contents.get(toHex(state.digest))!)
  return { count: kv[0]?.value[0], turns: state.turns, move: state.move }
}

function arrives(gateway: TestGateway, node: string): void {
  const { version, sections } = gateway.store.directives.get(node)!.directive
  const { epoch, release } = sections[0]!
  const instance = { module: 'ledger', home: null, status: 'running' as const, restarts: 0, turns: 1, error: null }
  const section = { app: 'greenhouse', epoch, release, status: 'trial' as const, code: null, message: null }
  const runs = { ...section, running: release, instances: [instance], prepare: null }
  reports(gateway, node, 'edge', { directive: version, sections: [runs] })
}

const lastEvent = async (gateway: TestGateway) => (await gateway.services.events.query({})).at(-1)

test('The node that has an instance is told to let go first, and the next one is told with its last word, which it goes on from.', async () => {
  const gateway = await moving()
  expect(told(gateway, 'gw-edge').instances).toEqual([])
  expect(told(gateway, 'a-edge').instances).toEqual([])
  const [shown] = (await gateway.services.apps.show('greenhouse')).where
  expect(shown?.note).toBe('it begins on a-edge when gw-edge has let go of it')
  const [first = 0] = numbers(gateway)
  says(gateway, 'gw-edge', { count: 7, handled: first })
  expect(told(gateway, 'a-edge').instances).toEqual(['ledger'])
  expect(handed(gateway, 'a-edge')).toMatchObject({ count: 7, turns: 0 })
  // What was handled is still gw-edge's to report.
  expect([waiting(gateway, 'gw-edge'), waiting(gateway, 'a-edge')]).toEqual([[1], [2, 3]])
  expect(gateway.store.handovers.isAwaited('a-edge', ledger)).toBe(true)
  arrives(gateway, 'a-edge')
  expect(gateway.store.handovers.isAwaited('a-edge', ledger)).toBe(false)
  expect(await lastEvent(gateway)).toMatchObject({
    code: 'handed-over',
    node: 'a-edge',
    text: 'greenhouse/ledger moved from gw-edge to a-edge, 0 turns lost',
  })
})

test('Where the node can never say its last word, its newest checkpoint is taken at once, and the event says what is missing.', async () => {
  const gateway = await moving()
  says(gateway, 'gw-edge', { final: false, count: 5, turns: 2, number: 9 })
  says(gateway, 'gw-edge', { final: false, count: 4, number: 8 })
  expect(told(gateway, 'a-edge').instances).toEqual([])
  await gateway.services.nodes.revoke('gw-edge', {}, operator)
  expect(handed(gateway, 'a-edge')).toMatchObject({ count: 5, turns: 2 })
  expect(waiting(gateway, 'a-edge')).toEqual([1, 2, 3])
  arrives(gateway, 'a-edge')
  expect((await lastEvent(gateway))?.text).toMatch(
    /gw-edge was revoked: it goes on from what it kept at .*, without the 2 turns since its last save, and what it did after that is missing/,
  )
})

test('A node that is there and does not let go is waited for, and no longer than that.', async () => {
  const gateway = await moving()
  gateway.clock.advance(19_000)
  expect(told(gateway, 'a-edge').instances).toEqual([])
  gateway.clock.advance(1_000)
  expect(told(gateway, 'a-edge').instances).toEqual(['ledger'])
  expect(handed(gateway, 'a-edge')).toMatchObject({ count: undefined, turns: 0 })
  arrives(gateway, 'a-edge')
  expect((await lastEvent(gateway))?.text).toMatch(/did not let go of it within 20 s: nothing is known .* begins anew/)
})

test('A last word that comes too late changes nothing of what runs by now; but what waited there is queued, once.', async () => {
  const gateway = await moving()
  gateway.clock.advance(20_000)
  arrives(gateway, 'a-edge')
  const note = { number: 3, topic: 'climate/h', payload: Uint8Array.of(9), publisher: null }
  for (let time = 0; time < 2; time++) says(gateway, 'gw-edge', { count: 8, number: 5, waiting: [note] })
  expect(waiting(gateway, 'a-edge')).toEqual([1, 2, 3, 9])
  expect(gateway.store.handovers.holder(ledger)).toMatchObject({ node: 'a-edge', status: 'held' })
  expect(handed(gateway, 'a-edge')).toMatchObject({ count: undefined })
})

test('A node that never began what it was given lets go of it at once: it goes on elsewhere from what it was to begin with there.', async () => {
  const gateway = await moving()
  says(gateway, 'gw-edge', { count: 7 })
  const { move } = handed(gateway, 'a-edge')!
  // Before it has come: the other one is the better place again.
  reports(gateway, 'a-edge', 'edge', { inventory: inventoryOf('edge', { interfaces: [] }) })
  reports(gateway, 'gw-edge', 'edge')
  gateway.clock.advance(200)
  expect(told(gateway, 'a-edge').instances).toEqual([])
  says(gateway, 'a-edge', { unbegun: true, move })
  expect(handed(gateway, 'gw-edge')).toMatchObject({ count: 7, turns: 0 })
  expect(gateway.store.handovers.holder(ledger)).toMatchObject({ node: 'gw-edge', lost: null })
})

test('An instance that comes home brings what it kept elsewhere, under a higher move.', async () => {
  const gateway = await moving()
  says(gateway, 'gw-edge', { count: 7 })
  arrives(gateway, 'a-edge')
  const { move } = handed(gateway, 'a-edge')!
  reports(gateway, 'gw-edge', 'edge')
  reports(gateway, 'a-edge', 'edge', { inventory: inventoryOf('edge', { interfaces: [] }) })
  gateway.clock.advance(200)
  // Of a copy that the node had before, nothing counts.
  says(gateway, 'a-edge', { count: 1, move: 0 })
  expect(told(gateway, 'gw-edge').instances).toEqual([])
  says(gateway, 'a-edge', { count: 9, move })
  expect(handed(gateway, 'gw-edge')).toMatchObject({ count: 9 })
  expect(handed(gateway, 'gw-edge')!.move).toBeGreaterThan(move)
})
