import { toHex } from '@hypha/core/bytes/text.ts'
import { openEnvelope, verifyThreshold } from '@hypha/core/trust/cose.ts'
import { maxReceiptBytes, type Receipt, receipt } from '@hypha/core/trust/receipt.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import { type Flip, Receipts } from '../../agent/receipts.ts'
import { LossyFiles } from '../support/lossy-files.ts'
import { crypto, makeReceipt, nodeKey, startMs } from '../support/signed.ts'

const said = makeReceipt()
const installed = ({ epoch, release }: Receipt['to']) => ({ epoch, release: toHex(release), record: new Uint8Array(3) })

const flipTo = (epoch: number, changes: Partial<Flip> = {}): Flip => ({
  app: 'greenhouse',
  from: installed(said.from!),
  to: { ...installed(said.to), epoch },
  wave: said.wave,
  instantMs: said.instantMs,
  late: said.late,
  flippedMs: said.flippedMs,
  errorMs: said.errorMs,
  pauseMs: said.pauseMs,
  carried: said.inputs!.carried,
  before: said.inputs!.before,
  settled: Promise.resolve({ after: 3, lost: 0, doubled: 0 }),
  ...changes,
})

/** As the gateway reads it: signed by the node's own key, and by no other. */
function read(envelope: Uint8Array): Receipt {
  const opened = openEnvelope(envelope, 'receipt', maxReceiptBytes)
  return receipt.decode(verifyThreshold(opened, 'receipt', { threshold: 1, keys: [nodeKey.publicKey] }, 'node', crypto))
}

describe('The receipt of a flip', () => {
  let files: LossyFiles
  let online: boolean
  let preparing: Set<number>
  let sent: Receipt[]
  let problems: string[]

  const open = () =>
    new Receipts({
      files,
      fleet: said.fleet,
      node: said.node,
      incarnation: said.incarnation,
      signer: nodeKey,
      publish: async (envelope) => {
        if (!online) throw new Error('offline')
        sent.push(read(envelope))
      },
      prepares: (_app, epoch) => preparing.has(epoch),
      onProblem: ({ code }) => void problems.push(code),
    })
  const epochs = () => sent.map(({ to }) => to.epoch)
  const settle = () => new Promise(setImmediate)

  beforeEach(() => {
    files = new LossyFiles()
    online = true
    preparing = new Set()
    sent = []
    problems = []
  })

  it('is kept without what became of the inputs until that is known, and sent as it is by the next start', async () => {
    const receipts = open()
    await receipts.flipped(flipTo(2, { settled: new Promise(() => undefined) }))
    receipts.review()
    await settle()
    expect([sent, files.list('receipts')]).toEqual([[], ['greenhouse.2']])
    files = files.afterPowerCut(5)
    open().review()
    await settle()
    expect(sent).toEqual([{ ...said, inputs: null }])
  })

  it("of a flip of which the next start only knows that it happened doesn't take the place of one that knows more", async () => {
    online = false
    await open().flipped(flipTo(2))
    await settle()
    const receipts = open()
    online = true
    await receipts.flipped(flipTo(2, { settled: null, pauseMs: null }))
    await receipts.flipped(flipTo(3, { settled: null, pauseMs: null, carried: 0 }))
    await settle()
    expect(sent).toMatchObject([{ to: { epoch: 3 }, inputs: null, pauseMs: null }])
    receipts.review()
    await settle()
    expect(sent).toContainEqual(said)
  })

  it("says what the flip was, under the node's own key", async () => {
    await open().flipped(flipTo(2))
    await settle()
    expect(sent).toEqual([said])
  })

  it('has no commit to name where there was none, and nothing before it where nothing ran', async () => {
    await open().flipped(flipTo(2, { instantMs: null, from: null, flippedMs: startMs + 0.4 }))
    expect(sent).toMatchObject([{ instantMs: startMs, from: null }])
  })

  it('is sent again after each connect until it is acknowledged and the directive has nothing to prepare in that epoch', async () => {
    preparing.add(2)
    online = false
    const receipts = open()
    await receipts.flipped(flipTo(2))
    online = true
    receipts.review()
    await settle()
    receipts.review()
    await settle()
    expect(epochs()).toEqual([2, 2])
    preparing.clear()
    receipts.review()
    receipts.review()
    await settle()
    expect(epochs()).toEqual([2, 2])
    expect(files.list('receipts')).toEqual([])
  })

  it('outlives a power cut that comes before it was heard', async () => {
    online = false
    await open().flipped(flipTo(2))
    await settle()
    files = files.afterPowerCut(3)
    online = true
    open().review()
    await settle()
    expect(sent).toEqual([said])
    files = files.afterPowerCut(4)
    expect(problems).toEqual([])
  })

  it('is sent from memory where the disk is full', async () => {
    files.capacityBytes = 0
    await open().flipped(flipTo(2))
    await settle()
    expect([epochs(), [...new Set(problems)]]).toEqual([[2], ['disk-full']])
  })

  it('makes room: of one app the last few are kept, and what is no receipt is removed', async () => {
    online = false
    files.ensureFolder('receipts')
    const junk = files.open('receipts/..what.new')
    junk.close()
    const receipts = open()
    for (let epoch = 2; epoch < 9; epoch++) await receipts.flipped(flipTo(epoch))
    expect(files.list('receipts')).toEqual(['greenhouse.5', 'greenhouse.6', 'greenhouse.7', 'greenhouse.8'])
  })
})
