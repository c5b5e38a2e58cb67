import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { isMac, macOf } from '@hypha/core/trust/board-session.ts'
import { openEnvelope, verifyThreshold } from '@hypha/core/trust/cose.ts'
import { maxReceiptBytes, type Receipt, receipt } from '@hypha/core/trust/receipt.ts'
import { report } from '@hypha/core/wire/messages/report.ts'
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
    const { app, to, node: of } = signed
    const at = clock.now()
    const event = { at, node: of, app, module: null, home: null, code: 'receipt', text: textOf(signed) }
    const events = store.transaction(() => {
      const { publicKey } = record
      const added = store.receipts.add({
        app,
        node: of,
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

  #check(node: string, signed: Receipt): void {
    const { fleet, node: of, app, from, to, attested } = signed
    const { store } = this.#deps
    const wrong = (why: string) => new HyphaError('receipt-wrong', `A receipt of ${node} ${why}`, { where: node })
    if (fleet !== store.fleet) throw wrong(`is for the fleet ${fleet}`)
    // For its boards a node signs, and for nobody else. [P 15.10]
    const isItsBoard = attested?.by === node && store.nodes.parentOf(of) === node
    if (attested === null ? of !== node : !isItsBoard) throw wrong(`speaks of ${of}`)
    if (attested?.report && !this.#isProven(signed, attested.report)) {
      throw wrong(`has a report of ${of} in it that ${of} has not made, or that tells of another pause`)
    }
    if (!store.apps.has(app)) throw wrong(`speaks of ${app}, which this fleet hasn't`)
    if (from !== null && from.epoch >= to.epoch) throw wrong(`goes from epoch ${from.epoch} of ${app} to ${to.epoch}`)
    // Whoever may make epochs up could fill the table with them.
    const highest = Math.max(store.apps.latestEpoch(app) ?? 0, store.epochs.of(app).floor)
    if (to.epoch > highest) throw wrong(`speaks of epoch ${to.epoch} of ${app}, which is at ${highest}`)
  }

  /** Whether the board itself has reported the pause. */
  #isProven({ node, incarnation, pauseMs }: Receipt, { body, mac }: { body: Uint8Array; mac: Uint8Array }): boolean {
    const { store, crypto } = this.#deps
    if (!store.boardSessions.list(node).some(({ key }) => isMac(mac, macOf(key, body, crypto)))) return false
    const said = report.decode(body)
    return said.pausedMs === pauseMs && bytesEqual(said.incarnation, incarnation)
  }
}

function textOf({ app, from, to, pauseMs, inputs, late, attested }: Receipt): string {
  const by = attested === null ? '' : `, attested by ${attested.by}`
  const what = `${app} went from epoch ${from?.epoch ?? 'none'} to ${to.epoch}${late ? ', late' : ''}${by}`
  const pause = pauseMs === null ? '' : `pause ${pauseMs.toFixed(1)} ms, `
  const became =
    inputs === null
      ? 'the agent ended before it was known what became of its inputs'
      : `lost ${inputs.lost}, doubled ${inputs.doubled}`
  return `${what}: ${pause}${became}`
}

function viewOf({ envelope, publicKey, at }: ReceiptRecord): ReceiptView {
  const { unverifiedPayload } = openEnvelope(envelope, 'receipt', maxReceiptBytes)
  const { app, node, from, to, wave, instantMs, flippedMs, errorMs, pauseMs, inputs, late, attested } =
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
    attestedBy: attested?.by ?? null,
    receivedAt: at,
    publicKey: toHex(publicKey),
    envelope: Buffer.from(envelope).toString('base64'),
  }
}
