import { HyphaError } from '@hypha/core/errors.ts'
import type { Held } from '@hypha/core/wire/board/held.ts'
import type { ToBoard } from '@hypha/core/wire/board/messages.ts'
import type { Offer } from '@hypha/core/wire/board/offer.ts'
import { pieceOverhead } from '@hypha/core/wire/board/piece.ts'
import type { Refused } from '@hypha/core/wire/board/refused.ts'

/** What is to be brought to a board. [S 8.7] */
export interface ToTransfer extends Omit<Offer, 'transfer' | 'wireSize'> {
  /** As they are sent. */
  readonly bytes: Uint8Array
}

export type TransferOutcome =
  | { readonly kind: 'complete' }
  | { readonly kind: 'refused'; readonly code: string; readonly detail: number | null }
  | { readonly kind: 'cancelled' }

export interface Transfer {
  readonly outcome: Promise<TransferOutcome>
  cancel(): void
}

interface Job {
  readonly what: ToTransfer
  readonly settle: (outcome: TransferOutcome) => void
  readonly onProgress: (held: number) => void
  /** Its number in this opening; 0 while it hasn't been offered. */
  number: number
  /** The next byte to send; null until the board has said where to begin. */
  at: number | null
  underWay: number
}

interface Peer {
  readonly maxPayload: number
  /** How many messages it takes at a time. */
  readonly window: number
  send(message: ToBoard): Promise<boolean>
}

/** Pieces that wait beside those that the board's window takes: what was given up must not be sent for long. */
const piecesAhead = 2

/**
 * Brings one thing after another to a board. What was begun when the board left is offered again when it is back, and goes on where the board
 * says. [S 8.7] [S 8.8]
 */
export class Transfers {
  readonly #jobs: Job[] = []
  #peer: Peer | null = null
  /** Pieces of an earlier opening say nothing about this one. */
  #opening = 0
  #last = 0

  add(what: ToTransfer, onProgress: (held: number) => void = () => undefined): Transfer {
    const { promise, resolve } = Promise.withResolvers<TransferOutcome>()
    const job: Job = { what, settle: resolve, onProgress, number: 0, at: null, underWay: 0 }
    this.#jobs.push(job)
    this.#begin()
    return { outcome: promise, cancel: () => this.#cancel(job) }
  }

  /** The board is there. */
  attach(peer: Peer): void {
    this.#peer = peer
    this.#opening++
    this.#last = 0
    for (const job of this.#jobs) Object.assign(job, { number: 0, at: null, underWay: 0 })
    this.#begin()
  }

  detach(): void {
    this.#peer = null
    this.#opening++
  }

  heardHeld({ transfer, at, complete }: Held): void {
    const job = this.#jobs[0]
    if (job === undefined || job.number !== transfer) return
    job.onProgress(at)
    if (complete) this.#over(job, { kind: 'complete' })
    else if (job.at === null) {
      job.at = Math.min(at, job.what.bytes.length)
      this.#sendPieces(job)
    }
  }

  /** Whether the refusal was of the transfer that is open. */
  heardRefused({ of, number, code, detail }: Refused): boolean {
    const job = this.#jobs[0]
    if (of !== 'transfer' || job === undefined || job.number !== number) return false
    this.#over(job, { kind: 'refused', code, detail })
    return true
  }

  #begin(): void {
    const job = this.#jobs[0]
    if (job === undefined || job.number !== 0 || this.#peer === null) return
    job.number = ++this.#last
    const { bytes, ...what } = job.what
    const offer: ToBoard = { kind: 'offer', transfer: job.number, ...what, wireSize: bytes.length }
    this.#peer.send(offer).catch((error: unknown) => {
      // One that takes not even an offer never will. Of what a line that closes takes with it, the next opening begins anew.
      const refused = error instanceof HyphaError && error.code === 'bytes-too-long'
      if (refused && this.#jobs[0] === job) this.#over(job, { kind: 'refused', code: error.code, detail: null })
    })
  }

  #sendPieces(job: Job): void {
    const peer = this.#peer
    const opening = this.#opening
    const { bytes } = job.what
    if (peer === null) return
    const most = peer.window + piecesAhead
    while (job.at !== null && job.at < bytes.length && job.underWay < most) {
      const piece = bytes.subarray(job.at, job.at + peer.maxPayload - pieceOverhead)
      job.underWay++
      const message: ToBoard = { kind: 'piece', transfer: job.number, at: job.at, bytes: piece }
      job.at += piece.length
      peer.send(message).then(
        (taken) => {
          if (!taken || this.#opening !== opening || this.#jobs[0] !== job) return
          job.underWay--
          this.#sendPieces(job)
        },
        () => undefined,
      )
    }
  }

  #cancel(job: Job): void {
    if (!this.#jobs.includes(job)) return
    if (job.number !== 0) this.#peer?.send({ kind: 'abandon', transfer: job.number }).catch(() => undefined)
    this.#over(job, { kind: 'cancelled' })
  }

  #over(job: Job, outcome: TransferOutcome): void {
    this.#jobs.splice(this.#jobs.indexOf(job), 1)
    job.settle(outcome)
    this.#begin()
  }
}
