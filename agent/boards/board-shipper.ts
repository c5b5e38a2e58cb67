import type { Clock } from '@hypha/core/ports/clock.ts'
import type { BoardJournal, BoardReport } from './board-journal.ts'

/** Reports that may wait for the gateway's word at a time, and how long one is waited for. */
const window = 16
const ackMs = 5_000
const maxAckMs = 60_000

/** Brings what a board has reported to the gateway, in order; again from the oldest on when the link came back, or no word comes. The gateway passes over what it has. */
export class BoardShipper {
  readonly #journal: BoardJournal
  readonly #clock: Clock
  readonly #send: (report: BoardReport) => void
  readonly #isOnline: () => boolean
  #sent = 0
  #waitMs = ackMs
  #cancel: (() => void) | null = null

  constructor(journal: BoardJournal, clock: Clock, isOnline: () => boolean, send: (report: BoardReport) => void) {
    this.#journal = journal
    this.#clock = clock
    this.#isOnline = isOnline
    this.#send = send
  }

  /** There may be more to send. */
  pump(): void {
    if (!this.#isOnline()) return
    const { reports } = this.#journal
    for (; this.#sent < Math.min(window, reports.length); this.#sent++) this.#send(reports[this.#sent]!)
    if (reports.length > 0 && this.#cancel === null) {
      this.#cancel = this.#clock.after(this.#waitMs, () => {
        this.#waitMs = Math.min(maxAckMs, 2 * this.#waitMs)
        this.again()
      })
    }
  }

  /** What was sent may be lost. */
  again(): void {
    this.close()
    this.#sent = 0
    this.pump()
  }

  /** The gateway has all of an incarnation up to a number. */
  stored(incarnation: Uint8Array, upTo: number): void {
    const before = this.#journal.reports.length
    if (!this.#journal.stored(incarnation, upTo)) return
    this.#sent = Math.max(0, this.#sent - (before - this.#journal.reports.length))
    this.#waitMs = ackMs
    this.close()
    this.pump()
  }

  close(): void {
    this.#cancel?.()
    this.#cancel = null
  }
}
