import { type ErrorCode, HyphaError } from '@hypha/core/errors.ts'
import { macOf } from '@hypha/core/trust/board-session.ts'
import { signOne } from '@hypha/core/trust/cose.ts'
import { type Receipt, receipt } from '@hypha/core/trust/receipt.ts'
import { report } from '@hypha/core/wire/messages/report.ts'
import { expect, test } from 'vitest'
import { crypto, keys } from '../../support/signed.ts'
import { call } from '../api/calls.ts'
import { joined, onSocket, startGateway, type TestGateway } from '../api/gateway.ts'
import { packReport } from '../ingest/support.ts'

/** A fleet whose nodes have the key `root2`, and whose app has been given epochs up to 60. */
async function fleetWithApp(): Promise<TestGateway> {
  const gateway = await startGateway()
  for (const node of ['pi-7', 'pi-8']) joined(gateway, node)
  const release = { app: 'greenhouse', number: 1, digest: '1', label: '', createdAt: 1, contents: [] }
  gateway.store.apps.addRelease({ ...release, envelope: Uint8Array.of(1) })
  gateway.store.epochs.raise('greenhouse', { floor: 60 })
  return gateway
}

const said = (changes: Partial<Receipt> = {}): Receipt => ({
  fleet: 'garden',
  node: 'pi-7',
  app: 'greenhouse',
  incarnation: new Uint8Array(8),
  from: { epoch: 3, release: new Uint8Array(32).fill(1) },
  to: { epoch: 4, release: new Uint8Array(32).fill(2) },
  wave: 0,
  instantMs: 1_000_000,
  flippedMs: 1_000_000.25,
  errorMs: 0.5,
  pauseMs: 1.75,
  inputs: { before: 100, carried: 3, after: 3, lost: 0, doubled: 0 },
  late: false,
  attested: null,
  ...changes,
})

const signed = (changes: Partial<Receipt> = {}, key = keys.root2) =>
  signOne(receipt.encode(said(changes)), 'receipt', key)

function refusal(run: () => void): ErrorCode {
  try {
    run()
  } catch (error) {
    if (error instanceof HyphaError) return error.code
    throw error
  }
  throw new Error('nothing was refused')
}

test('A receipt is kept as its node signed it, told once, and shown', async () => {
  const gateway = await fleetWithApp()
  const { receipts } = gateway.reports
  const envelope = signed()
  receipts.take('pi-7', envelope)
  receipts.take('pi-7', envelope)
  receipts.take('pi-8', signed({ node: 'pi-8', from: null, late: true }))
  const { json } = await call(await onSocket(gateway), 'GET', '/v1/apps/greenhouse/receipts')
  expect(json).toMatchObject([
    { node: 'pi-7', from: { epoch: 3 }, to: { epoch: 4 }, pauseMs: 1.75, inputs: { carried: 3, lost: 0 }, late: false },
    { node: 'pi-8', from: null, late: true },
  ])
  expect(json[0].envelope).toBe(Buffer.from(envelope).toString('base64'))
  const events = gateway.store.events.list({ app: 'greenhouse' })
  expect(events.map(({ node, code, text }) => [node, code, text])).toEqual([
    ['pi-7', 'receipt', 'greenhouse went from epoch 3 to 4: pause 1.8 ms, lost 0, doubled 0'],
    ['pi-8', 'receipt', 'greenhouse went from epoch none to 4, late: pause 1.8 ms, lost 0, doubled 0'],
  ])
})

test('Receipts are shown of the newest epoch, or of the one that is asked for', async () => {
  const gateway = await fleetWithApp()
  for (const epoch of [4, 5]) {
    gateway.reports.receipts.take('pi-7', signed({ to: { epoch, release: new Uint8Array(32) } }))
  }
  const socket = await onSocket(gateway)
  const epochs = async (query: string) =>
    (await call(socket, 'GET', `/v1/apps/greenhouse/receipts${query}`)).json.map(
      ({ to }: { to: { epoch: number } }) => to.epoch,
    )
  expect(await epochs('')).toEqual([5])
  expect(await epochs('?epoch=4')).toEqual([4])
  expect(await epochs('?epoch=3')).toEqual([])
  expect((await call(socket, 'GET', '/v1/apps/cellar/receipts')).status).toBe(404)
})

test.each<[string, Partial<Receipt>]>([
  ['another fleet', { fleet: 'farm' }],
  ['another node', { node: 'pi-8' }],
  ['an app that is not there', { app: 'cellar' }],
  ['an epoch that was never given out', { to: { epoch: 61, release: new Uint8Array(32) } }],
  ['an epoch below the one before', { from: { epoch: 4, release: new Uint8Array(32) } }],
])('A receipt of %s is refused, and not kept', async (_, changes) => {
  const { reports, store } = await fleetWithApp()
  expect(refusal(() => reports.receipts.take('pi-7', signed(changes)))).toBe('receipt-wrong')
  expect(store.receipts.newestEpoch('greenhouse')).toBeNull()
  expect(store.events.list()).toEqual([])
})

test('A receipt that the node has not signed, or that is no receipt, is refused', async () => {
  const { reports } = await fleetWithApp()
  const { receipts } = reports
  expect(refusal(() => receipts.take('pi-7', signed({}, keys.gateway)))).toBe('threshold-not-met')
  const asCommit = signOne(receipt.encode(said()), 'commit', keys.root2)
  expect(refusal(() => receipts.take('pi-7', asCommit))).toBe('envelope-kind')
  const changed = signed()
  changed[changed.length - 1]! ^= 1
  expect(refusal(() => receipts.take('pi-7', changed))).toBe('signature-invalid')
})

test('Of each node only the newest flips are kept', async () => {
  const { reports, store } = await fleetWithApp()
  for (let epoch = 4; epoch <= 60; epoch++) {
    reports.receipts.take('pi-7', signed({ to: { epoch, release: new Uint8Array(32) } }))
  }
  expect([10, 11, 60].map((epoch) => store.receipts.list('greenhouse', epoch).length)).toEqual([0, 1, 1])
})

test('A board’s node signs in its place: what the board itself has reported of the pause is checked, and nobody signs for a board that is elsewhere', async () => {
  const gateway = await fleetWithApp()
  const { store, reports } = gateway
  joined(gateway, 'mcu-1')
  store.nodes.setParent('mcu-1', 'pi-7')
  const sessionKey = new Uint8Array(32).fill(7)
  store.boardSessions.add('mcu-1', new Uint8Array(8), sessionKey, 1)
  const body = report.encode(packReport(1, [], { incarnation: new Uint8Array(8), pausedMs: 12 }))
  const mac = macOf(sessionKey, body, crypto)
  const ofBoard = { node: 'mcu-1', pauseMs: 12, attested: { by: 'pi-7', report: { body, mac } } }
  expect(refusal(() => reports.receipts.take('pi-8', signed(ofBoard)))).toBe('receipt-wrong')
  expect(refusal(() => reports.receipts.take('pi-7', signed({ ...ofBoard, pauseMs: 1 })))).toBe('receipt-wrong')
  const forged = { by: 'pi-7', report: { body, mac: new Uint8Array(16) } }
  expect(refusal(() => reports.receipts.take('pi-7', signed({ ...ofBoard, attested: forged })))).toBe('receipt-wrong')
  expect(refusal(() => reports.receipts.take('pi-7', signed({ node: 'mcu-1' })))).toBe('receipt-wrong')
  reports.receipts.take('pi-7', signed(ofBoard))
  const { json } = await call(await onSocket(gateway), 'GET', '/v1/apps/greenhouse/receipts')
  expect(json).toMatchObject([{ node: 'mcu-1', pauseMs: 12, attestedBy: 'pi-7' }])
  expect(store.events.list({ node: 'mcu-1' })).toMatchObject([
    { code: 'receipt', text: 'greenhouse went from epoch 3 to 4, attested by pi-7: pause 12.0 ms, lost 0, doubled 0' },
  ])
})
