import { toHex } from '@hypha/core/bytes/text.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Receipt } from '@hypha/core/trust/receipt.ts'
import type { BoardInput } from '@hypha/core/wire/board/input.ts'
import type { BoardState } from '@hypha/core/wire/board/state.ts'
import type { Report } from '@hypha/core/wire/messages/report.ts'

/** What a board's node says of one of its flips; fleet and who says it are added by whoever signs. */
export type Attested = Omit<Receipt, 'fleet' | 'attested'> & {
  readonly report: NonNullable<Receipt['attested']>['report']
}

/** What the directive and the commit say of a section. */
export interface FlipOrder {
  readonly wave: number
  readonly instantMs: number | null
}

/** A moment by the gateway's clock, as this node estimates it; milliseconds. */
export interface Moment {
  readonly ms: number
  readonly errorMs: number
}

export interface BoardReceiptPorts {
  readonly board: string
  readonly clock: Clock
  readonly now: () => Moment
  orderOf(app: string, epoch: number): FlipOrder
  sign(said: Attested): void
}

/** So long after a flip it is told with what is known by then. */
const settleMs = 10_000
/** Inputs that are remembered until they are handled. */
const maxOpen = 1_024

type Run = NonNullable<Receipt['from']> & { readonly app: string }

interface Flip {
  readonly app: string
  readonly from: Receipt['from']
  readonly to: Receipt['to']
  readonly moment: Moment
  readonly pausedMs: number
  readonly before: number
  readonly carried: Set<string>
  readonly count: number
  report: Attested['report']
}

/**
 * Receipts of a board, which signs none: its node says when the board flipped, by what it told it and heard, and what became of the inputs that it gave it; how long the pause was, the board says itself, in a report with its
 * MAC, which goes along. [P 15.7]
 */
export class BoardReceipts {
  readonly #ports: BoardReceiptPorts
  readonly #open = new Set<string>()
  #handled = 0
  #runs: Run | null | undefined
  #activated: Moment | null = null
  #flip: Flip | null = null
  #cancel = (): void => undefined

  constructor(ports: BoardReceiptPorts) {
    this.#ports = ports
  }

  /** The board is told to activate something. */
  activating(): void {
    this.#activated = this.#ports.now()
  }

  /** They are on their way to it. */
  gave(inputs: readonly BoardInput[]): void {
    for (const input of inputs) if (this.#open.size < maxOpen) this.#open.add(nameOf(input))
  }

  /** They aren't any more: the gateway has them still. */
  notTaken(inputs: readonly BoardInput[]): void {
    for (const input of inputs) this.#done(nameOf(input))
  }

  heard(state: BoardState, incarnation: Uint8Array): void {
    const before = this.#runs
    this.#runs = runOf(state)
    const to = this.#runs
    // What it ran before isn't known, or it has gone back.
    if (before === undefined || to === null || (before?.app === to.app && before.epoch >= to.epoch)) return
    this.#tell(incarnation)
    const [told, now] = [this.#activated, this.#ports.now()]
    this.#activated = null
    if (told === null || state.pausedMs === null) return
    const halfMs = Math.max(0, now.ms - told.ms) / 2
    const from = before !== null && before.app === to.app ? before : null
    this.#flip = {
      app: to.app,
      from: from && { epoch: from.epoch, release: from.release },
      to: { epoch: to.epoch, release: to.release },
      moment: { ms: now.ms - halfMs, errorMs: Math.max(now.errorMs, told.errorMs) + halfMs },
      pausedMs: state.pausedMs,
      before: this.#handled,
      carried: new Set(this.#open),
      count: this.#open.size,
      report: null,
    }
    this.#handled = 0
    this.#cancel = this.#ports.clock.after(settleMs, () => this.#tell(incarnation))
  }

  /** It has reported, and this is durable here. */
  reported(report: Report, body: Uint8Array, mac: Uint8Array): void {
    for (const { entry } of report.entries) {
      if (entry.kind !== 'handled') continue
      if (this.#done(nameOf(entry))) this.#handled++
    }
    const flip = this.#flip
    if (flip === null) return
    if (report.pausedMs === flip.pausedMs + 1) flip.report ??= { body, mac }
    if (flip.report !== null && flip.carried.size === 0) this.#tell(report.incarnation)
  }

  #done(name: string): boolean {
    this.#flip?.carried.delete(name)
    return this.#open.delete(name)
  }

  close(): void {
    this.#cancel()
  }

  #tell(incarnation: Uint8Array): void {
    this.#cancel()
    const flip = this.#flip
    this.#flip = null
    if (flip === null) return
    const { app, from, to, moment, pausedMs, before, carried, count, report } = flip
    const { wave, instantMs } = this.#ports.orderOf(app, to.epoch)
    // A board runs nothing that it had: it remembers the highest number of each source in its flash.
    const inputs = carried.size === 0 ? { before, carried: count, after: count, lost: 0, doubled: 0 } : null
    this.#ports.sign({
      node: this.#ports.board,
      app,
      incarnation,
      from,
      to,
      wave,
      instantMs: instantMs ?? Math.max(0, Math.round(moment.ms)),
      flippedMs: moment.ms,
      errorMs: moment.errorMs,
      pauseMs: pausedMs + 1,
      inputs,
      late: instantMs === null,
      report,
    })
  }
}

const nameOf = ({ source, number }: Pick<BoardInput, 'source' | 'number'>): string => `${toHex(source)}/${number}`

/** What it runs; null for nothing. */
function runOf({ running, slots }: BoardState): Run | null {
  const run = running.find(({ status }) => status !== 'stopped' && status !== 'failed')
  const slot = slots.find((each) => each.slot === run?.slot)
  if (slot === undefined || slot.app === null || slot.epoch === null || slot.releaseDigest === null) return null
  return { app: slot.app, epoch: slot.epoch, release: slot.releaseDigest }
}
