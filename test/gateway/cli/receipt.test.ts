import { signOne } from '@hypha/core/trust/cose.ts'
import { type Receipt, receipt } from '@hypha/core/trust/receipt.ts'
import { expect, test } from 'vitest'
import { keys } from '../../support/signed.ts'
import { fleetOnSocket, jsonOf, runHypha } from './support.ts'

const said: Receipt = {
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
}

async function fleetWithReceipts() {
  const { gateway, folder } = await fleetOnSocket()
  const release = { app: 'greenhouse', number: 1, digest: '1', label: '', createdAt: 1, contents: [] }
  gateway.store.apps.addRelease({ ...release, envelope: Uint8Array.of(1) })
  gateway.store.epochs.raise('greenhouse', { floor: 4 })
  const take = (changes: Partial<Receipt>) => {
    const value = { ...said, ...changes }
    gateway.reports.receipts.take(value.node, signOne(receipt.encode(value), 'receipt', keys.root2))
  }
  take({})
  take({ node: 'pi-8', flippedMs: 999_999.5, pauseMs: 2.5 })
  return { gateway, folder }
}

test('hypha receipt shows each flip as its node signed it, and how far apart they were, in 80 columns', async () => {
  const { folder } = await fleetWithReceipts()
  const { code, stdout } = await runHypha(folder, ['receipt', 'greenhouse'], { env: { COLUMNS: '80' } })
  expect(code).toBe(0)
  expect(stdout).toMatch(/pi-7 +3 → 4 .*\+0\.3 ± 0\.5 +1\.8 ms +100\/3\/3 +0 +0 +ok/)
  expect(stdout).toMatch(/pi-8 +3 → 4 .*-0\.5 ± 0\.5/)
  expect(stdout).toMatch(/Wave 1: 2 nodes within 0\.8 ms, each clock known to ± 0\.5 ms\./)
  expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
})

test('hypha receipt can be asked for one node and one epoch, with what the node signed', async () => {
  const { folder } = await fleetWithReceipts()
  const [one, ...others] = await jsonOf(folder, ['receipt', 'greenhouse', 'pi-8', '--epoch', '4'])
  expect(others).toEqual([])
  expect(one).toMatchObject({ node: 'pi-8', signatureHolds: true, problem: null, envelope: expect.any(String) })
  const { code, stderr } = await runHypha(folder, ['receipt', 'greenhouse', '--epoch', '3'])
  expect(code).toBe(2)
  expect(stderr).toMatch(/no receipt of greenhouse and epoch 3/)
})

test('hypha receipt finds a signature out that does not hold, whatever the gateway has stored', async () => {
  const { gateway, folder } = await fleetWithReceipts()
  gateway.store.db
    .prepare("UPDATE receipts SET envelope = ? WHERE node = 'pi-7'")
    .run(signOne(receipt.encode({ ...said, pauseMs: 0 }), 'receipt', keys.gateway))
  const { code, stdout, stderr } = await runHypha(folder, ['receipt', 'greenhouse'])
  expect(code).not.toBe(0)
  expect(stdout).toMatch(/pi-7 .*NO/)
  expect(stderr).toMatch(/pi-7: .* \[signature-invalid\]/)
})

test('hypha receipt says of a node whose agent ended at the flip what is not known', async () => {
  const { gateway, folder } = await fleetWithReceipts()
  const value = { ...said, node: 'gw-edge', flippedMs: 1_000_000, errorMs: Number.POSITIVE_INFINITY }
  const envelope = signOne(receipt.encode({ ...value, pauseMs: null, inputs: null }), 'receipt', keys.root2)
  gateway.reports.receipts.take('gw-edge', envelope)
  const { stdout } = await runHypha(folder, ['receipt', 'greenhouse'])
  expect(stdout).toMatch(/gw-edge +3 → 4 .*\? +\? +\? +\? +ok/)
  expect(stdout).toMatch(/Wave 1: 2 nodes within 0\.8 ms/)
  expect(stdout).toMatch(/Cut short: 1/)
  const [one] = await jsonOf(folder, ['receipt', 'greenhouse', 'gw-edge'])
  expect(one).toMatchObject({ errorMs: null, pauseMs: null, inputs: null })
})
