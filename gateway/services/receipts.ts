import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { openEnvelope, verifyThreshold } from '@hypha/core/trust/cose.ts'
import { maxReceiptBytes, type Receipt, receipt } from '@hypha/core/trust/receipt.ts'
import type { ReceiptView } from '../admin/api/schemas/rollouts.ts'
import type { ReceiptRecord } from '../store/receipts.ts'
import type { GatewayDeps } from './deps.ts'
import type { Feeds } from './feeds.ts'
import { notFound } from './not-found.ts'

/** What nodes sign of their flips: verified with the key that each has joined with, and kept as it came. */
export class Receipts {
  readonly #deps: Pick<GatewayDeps, 'store' | 'clock' | 'crypto'>
  readonly #feeds: Feeds

  constructor(deps: Pick<GatewayDeps, 'store' | 'clock' | 'crypto'>, feeds: Feeds) {
    this.#deps = deps
    this.#feeds = feeds
  }

  /**
   * Keeps what came on a node's `up/receipt`; the same again changes nothing. Throws what envelopes throw, `threshold-not-met` and `signature-invalid` for one that the node hasn't signed, and
   * `receipt-wrong` for one of another node, fleet or app, or of an epoch that was never given out. [P 10.8]
   */
  take(node: string, envelope: Uint8Array): void {
    this.keep(node, envelope)()
  }

  /** The same within a transaction of the caller, who calls the result when that is through: then it is told of. */
  keep(node: string, envelope: Uint8Array): () => void {
    const { store, clock, crypto } = this.#deps
    const record = store.nodes.get(node)
    if (record === null) return () => undefined
    const role = { threshold: 1, keys: [record.publicKey] }
    const payload = verifyThreshold(openEnvelope(envelope, 'receipt', maxReceiptBytes), 'receipt', role, node, crypto)
    const signed = receipt.decode(payload)
    this.#check(node, signed)
    const { app, to } = signed
    const at = clock.now()
    const event = { at, node, app, module: null, home: null, code: 'receipt', text: textOf(signed) }
    const events = store.transaction(() => {
      const { publicKey } = record
      const added = store.receipts.add({
        app,
        node,
        epoch: to.epoch,
        at,
        publicKey,
        envelope: Uint8Array.from(envelope),
      })
      return added ? [store.events.add(event)] : []
    })
    return () => {
      if (events.length > 0) this.#feeds.events.publish(events)
    }
  }

  /** Of one epoch, by default the newest that has any. Throws `not-found`. */
  list(app: string, epoch?: number): ReceiptView[] {
    const { store } = this.#deps
    if (!store.apps.has(app)) throw notFound('app', app)
    const wanted = epoch ?? store.receipts.newestEpoch(app)
    return wanted === null ? [] : store.receipts.list(app, wanted).map(viewOf)
  }

  #check(node: string, { fleet, node: signedBy, app, from, to }: Receipt): void {
    const { store } = this.#deps
    const wrong = (why: string) => new HyphaError('receipt-wrong', `A receipt of ${node} ${why}`, { where: node })
    if (fleet !== store.fleet) throw wrong(`is for the fleet ${fleet}`)
    if (signedBy !== node) throw wrong(`speaks of ${signedBy}`)
    if (!store.apps.has(app)) throw wrong(`speaks of ${app}, which this fleet hasn't`)
    if (from !== null && from.epoch >= to.epoch) throw wrong(`goes from epoch ${from.epoch} of ${app} to ${to.epoch}`)
    // Whoever may make epochs up could fill the table with them.
    const highest = Math.max(store.apps.latestEpoch(app) ?? 0, store.epochs.of(app).floor)
    if (to.epoch > highest) throw wrong(`speaks of epoch ${to.epoch} of ${app}, which is at ${highest}`)
  }
}

function textOf({ app, from, to, pauseMs, inputs, late }: Receipt): string {
  const what = `${app} went from epoch ${from?.epoch ?? 'none'} to ${to.epoch}${late ? ', late' : ''}`
  const pause = pauseMs === null ? '' : `pause ${pauseMs.toFixed(1)} ms, `
  const became =
    inputs === null
      ? 'the agent ended before it was known what became of its inputs'
      : `lost ${inputs.lost}, doubled ${inputs.doubled}`
  return `${what}: ${pause}${became}`
}

function viewOf({ envelope, publicKey, at }: ReceiptRecord): ReceiptView {
  const { unverifiedPayload } = openEnvelope(envelope, 'receipt', maxReceiptBytes)
  const { app, node, from, to, wave, instantMs, flippedMs, errorMs, pauseMs, inputs, late } =
    receipt.decode(unverifiedPayload)
  const run = (of: { epoch: number; release: Uint8Array }) => ({ epoch: of.epoch, release: toHex(of.release) })
  return {
    app,
    node,
    from: from && run(from),
    to: run(to),
    wave,
    instantMs,
    flippedMs,
    errorMs: Number.isFinite(errorMs) ? errorMs : null,
    pauseMs,
    inputs: inputs && { ...inputs },
    late,
    receivedAt: at,
    publicKey: toHex(publicKey),
    envelope: Buffer.from(envelope).toString('base64'),
  }
}
