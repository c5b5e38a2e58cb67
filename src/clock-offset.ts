import { HyphaError } from './errors.ts'

/** One question for the time: when it was sent and answered by the asking clock, and what the other clock said in between; all in milliseconds. */
export interface ClockSample {
  readonly sentAt: number
  readonly gatewayMs: number
  readonly receivedAt: number
}

/** How far ahead of one's own clock the other is, and how far that may be wrong at most. */
export interface ClockEstimate {
  readonly offsetMs: number
  readonly errorMs: number
  /** The shortest round trip that it rests on. */
  readonly rttMs: number
}

/** What a crystal may be off by, to either side. */
const crystalPpm = 100
/** What two of them drift apart at most: 200 ppm, and the little that one wrong millisecond is longer than another. [P 10.5] */
const driftApart = (1 + crystalPpm / 1e6) / (1 - crystalPpm / 1e6) - 1
/** Of milliseconds since 1970, a 64-bit float keeps a quarter of a microsecond. */
const roundingMs = 0.001
/** An answer that took longer says nothing of use. */
const maxRoundTripMs = 60_000

/** The offset lay between these when one's own clock showed `at`. */
interface Bounds {
  readonly at: number
  readonly low: number
  readonly high: number
  readonly rttMs: number
}

/**
 * Estimates another clock's offset from questions and answers. Each answer was made somewhere between its question and its arrival, so the offset lies in an interval as long as the round trip: at most
 * half of it away from the middle. Intervals grow with age by what two crystals may drift apart, and what several of them allow is what all of them allow: so the bound is never above half the shortest
 * round trip and its ageing, below that where the delays of one answer were short on the way there and of another on the way back, and never below the truth. [P 10.5]
 */
export class ClockOffset {
  #bounds: Bounds | null = null

  /** Takes an answer in. Throws `message-malformed` for numbers that no clock says. */
  add({ sentAt, gatewayMs, receivedAt }: ClockSample): void {
    const rttMs = receivedAt - sentAt
    if (!Number.isFinite(gatewayMs + receivedAt) || !(rttMs >= 0 && rttMs <= maxRoundTripMs)) {
      throw new HyphaError('message-malformed', `${gatewayMs} after ${rttMs} ms is no clock's answer`)
    }
    const sample = {
      at: receivedAt,
      low: gatewayMs - receivedAt - roundingMs,
      high: gatewayMs - sentAt + rttMs * driftApart + roundingMs,
      rttMs,
    }
    this.#bounds = this.#bounds === null ? sample : (meet(aged(this.#bounds, receivedAt), sample) ?? sample)
  }

  /** The estimate when one's own clock shows `nowMs`; null before the first answer. */
  at(nowMs: number): ClockEstimate | null {
    if (this.#bounds === null) return null
    const { low, high, rttMs } = aged(this.#bounds, nowMs)
    return { offsetMs: (low + high) / 2, errorMs: (high - low) / 2, rttMs }
  }
}

function aged({ at, low, high, rttMs }: Bounds, nowMs: number): Bounds {
  const grownMs = Math.abs(nowMs - at) * driftApart
  return { at: nowMs, low: low - grownMs, high: high + grownMs, rttMs }
}

/** Null where they contradict one another: the other clock is another by now, or one's own stood still while the machine slept. */
function meet(older: Bounds, newer: Bounds): Bounds | null {
  const [low, high] = [Math.max(older.low, newer.low), Math.min(older.high, newer.high)]
  if (low > high) return null
  return { at: newer.at, low, high, rttMs: Math.min(older.rttMs, newer.rttMs) }
}
