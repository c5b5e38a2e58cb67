import { fromHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'
import { type Signer, signOne } from '@hypha/core/trust/cose.ts'
import { maxReceiptBytes, type Receipt, receipt } from '@hypha/core/trust/receipt.ts'
import { idPattern } from '@hypha/core/wire/ids.ts'
import type { Installed } from './install/machine.ts'
import type { Swapped } from './sandbox/sandbox.ts'

const folder = 'receipts'
/** Of one app: an offline node that flips again and again tells of the last ones. */
const maxPerApp = 4
/** So long after a flip, and up to so much longer, nothing of it is written down or told. */
const leastLullMs = 20
const moreLullMs = 40

/** A release has taken over: what is known of it at that moment, and what will be of its inputs. */
export interface Flip extends Pick<Swapped, 'carried' | 'before'> {
  readonly app: string
  readonly from: Installed | null
  readonly to: Installed
  readonly wave: number
  /** That the commit named, ms since 1970; null for a flip without one. */
  readonly instantMs: number | null
  readonly late: boolean
  /** By the estimate of the gateway's clock, ms since 1970, and how far that may be wrong; infinity where nothing bounds it. */
  readonly flippedMs: number
  readonly errorMs: number
  /** As `Swapped` has them; null where the agent that flipped has ended, and nothing but that it did is known. */
  readonly pauseMs: Swapped['pauseMs'] | null
  readonly settled: Swapped['settled'] | null
}

type Inputs = NonNullable<Receipt['inputs']>

export interface ReceiptPorts {
  readonly files: Files
  readonly fleet: string
  readonly node: string
  readonly incarnation: Uint8Array
  /** With the node's own key. */
  readonly signer: Signer
  /** Resolves once the broker has acknowledged. */
  publish(envelope: Uint8Array): Promise<void>
  /** Whether the directive that is held asks still to prepare that epoch: then the gateway may not have heard of the flip. */
  prepares(app: string, epoch: number): boolean
  readonly onProblem: (error: HyphaError) => void
}

interface Kept {
  readonly app: string
  readonly epoch: number
  readonly envelope: Uint8Array
  acknowledged: boolean
}

/** What this node says of its flips, signed, until it has been heard. [P 10.8] */
export class Receipts {
  readonly #ports: ReceiptPorts
  readonly #kept = new Map<string, Kept>()

  constructor(ports: ReceiptPorts) {
    this.#ports = ports
    const { files } = ports
    files.ensureFolder(folder)
    for (const name of files.list(folder)) {
      const [app = '', epoch = ''] = name.split('.')
      const envelope = files.read(`${folder}/${name}`)
      const whole = idPattern.test(app) && /^\d{1,10}$/.test(epoch) && name === `${app}.${epoch}`
      if (whole && envelope !== null && envelope.length > 0 && envelope.length <= maxReceiptBytes) {
        this.#kept.set(name, { app, epoch: Number(epoch), envelope, acknowledged: false })
      } else files.remove(`${folder}/${name}`)
    }
  }

  /**
   * Signs, keeps and sends a receipt once it is known what became of the inputs that were carried over. Until then one without that lies on the disk: the next start of the agent sends it
   * where this one ends before. Resolves when the one or the other lies there. All of that waits for a moment: at the instant itself every node has better to do, and a gateway that hears of it
   * from a whole fleet at once, too.
   */
  async flipped(flip: Flip): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, leastLullMs + Math.random() * moreLullMs))
    const of = { app: flip.app, epoch: flip.to.epoch, acknowledged: false }
    try {
      // What was written down at the flip says more.
      if (flip.settled === null && this.#kept.has(nameOf(of))) return
      const early = flip.carried === 0 ? null : this.#write({ ...of, envelope: this.#sign(flip, null) })
      const whole = this.#whole(flip, of, early)
      await (early ?? whole)
    } catch (thrown) {
      this.#ports.onProblem(asHyphaError(thrown))
    }
  }

  async #whole(flip: Flip, of: Omit<Kept, 'envelope'>, early: Promise<void> | null): Promise<void> {
    const { before, carried, settled } = flip
    try {
      const inputs = settled && { before, carried, ...(await settled) }
      await early
      await this.#keep({ ...of, envelope: this.#sign(flip, inputs) })
    } catch (thrown) {
      this.#ports.onProblem(asHyphaError(thrown))
    }
  }

  /** After each connect, and after each directive: sends what may not have been heard, and forgets what was. */
  review(): void {
    for (const kept of this.#kept.values()) {
      const awaited = this.#ports.prepares(kept.app, kept.epoch)
      if (kept.acknowledged && !awaited) this.#forget(kept)
      else this.#send(kept)
    }
  }

  #sign(flip: Flip, inputs: Inputs | null): Uint8Array {
    const { fleet, node, incarnation, signer } = this.#ports
    const { app, from, to, wave, instantMs, flippedMs, errorMs, pauseMs, late } = flip
    const said: Receipt = {
      fleet,
      node,
      app,
      incarnation,
      from: from && { epoch: from.epoch, release: fromHex(from.release) },
      to: { epoch: to.epoch, release: fromHex(to.release) },
      wave,
      instantMs: instantMs ?? Math.max(0, Math.round(flippedMs)),
      flippedMs,
      errorMs,
      pauseMs,
      inputs,
      late,
      attested: null,
    }
    return signOne(receipt.encode(said), 'receipt', signer)
  }

  async #keep(kept: Kept): Promise<void> {
    this.#kept.set(nameOf(kept), kept)
    const older = [...this.#kept.values()].filter(({ app }) => app === kept.app).sort((a, b) => b.epoch - a.epoch)
    for (const each of older.slice(maxPerApp)) this.#forget(each)
    this.#send(kept)
    await this.#write(kept)
    // It may have been heard meanwhile.
    if (!this.#kept.has(nameOf(kept))) this.#ports.files.remove(`${folder}/${nameOf(kept)}`)
  }

  /** What a full disk has no room for is sent from memory. */
  async #write(kept: Kept): Promise<void> {
    const { files, onProblem } = this.#ports
    await files
      .syncFolder('')
      .then(() => replaceFile(files, `${folder}/${nameOf(kept)}`, kept.envelope))
      .catch((thrown) => onProblem(asHyphaError(thrown)))
  }

  #send(kept: Kept): void {
    this.#ports.publish(kept.envelope).then(
      () => {
        kept.acknowledged = true
        if (!this.#ports.prepares(kept.app, kept.epoch)) this.#forget(kept)
      },
      () => {
        // Offline, or cut in between: it goes with the next connection.
      },
    )
  }

  #forget(kept: Kept): void {
    if (this.#kept.get(nameOf(kept)) !== kept) return
    this.#kept.delete(nameOf(kept))
    try {
      this.#ports.files.remove(`${folder}/${nameOf(kept)}`)
    } catch (thrown) {
      this.#ports.onProblem(asHyphaError(thrown))
    }
  }
}

const nameOf = ({ app, epoch }: { readonly app: string; readonly epoch: number }) => `${app}.${epoch}`
