import { type ClockEstimate, ClockOffset } from '@hypha/core/clock-offset.ts'
import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { timeAnswer, timeAsk } from '@hypha/core/wire/messages/time.ts'
import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import type { Link } from './link/link.ts'

/** The gateway's clock, as this node knows it. [P 10.5] */
export interface GatewayClock {
  /** The gateway's clock shows `monotonic() + offsetMs`, give or take `errorMs`; `rttMs` is the worst of the newest measurement. Null before the first answer. */
  estimate(): ClockEstimate | null
  /** Asks several times, one after the other; resolves when that is done, also where no answer came. Asked again meanwhile, it resolves with the one under way. */
  measure(): Promise<void>
  /**
   * Calls `run` once when the gateway's clock shows `instantMs`; at once, though never within this call, where that has passed. Without an estimate it waits for the first. Measures anew where the
   * estimate has aged. The result cancels it.
   */
  after(instantMs: number, run: () => void): () => void
  close(): void
}

export interface GatewayClockPorts {
  readonly node: string
  readonly topics: FleetTopics
  readonly link: Pick<Link, 'state' | 'onState' | 'publish' | 'subscribe'>
  readonly clock: Pick<Clock, 'monotonic' | 'after'>
  readonly onProblem: (error: HyphaError) => void
  /** Calls back in a moment, a tenth of a millisecond or so; what it waits for is `leftMs` away. */
  readonly soon?: (run: () => void, leftMs: number) => void
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))
const longNapMs = 0.5
const shortNapMs = 0.05

/** Asleep, for a look without an end would keep a core from whoever else is to be on time, such as this node's own sandbox; and what comes in is read in between. */
function nap(run: () => void, leftMs: number): void {
  Atomics.wait(sleeper, 0, 0, leftMs > 2 * longNapMs ? longNapMs : shortNapMs)
  setImmediate(run)
}

/** Of one measurement, at most and at least. */
const asks = 8
const leastAsks = 3
/** Known as well as that, it isn't asked any further: a whole fleet may be asking. */
const enoughMs = 1
/** An answer that takes longer isn't waited for. */
const answerMs = 1_000
/** A whole measurement gives up then. */
const measureMs = 2_000
const everyMs = 600_000
/** While somebody waits for a first estimate. */
const retryMs = 5_000
/** In this time two crystals drift apart by a millisecond. */
const freshMs = 5_000
/** setTimeout may be late by so much: it wakes up that much earlier, and looks at the clock again and again for the rest. */
const fineMs = 8

interface Waiting {
  readonly instantMs: number
  readonly run: () => void
  cancel: () => void
}

/** Measures after each connect, and every ten minutes; begins at once. */
export function openGatewayClock(ports: GatewayClockPorts): GatewayClock {
  return new MeasuredClock(ports)
}

class MeasuredClock implements GatewayClock {
  readonly #ports: Required<GatewayClockPorts>
  readonly #waiting = new Set<Waiting>()
  readonly #ends: (() => void)[]
  #offset = new ClockOffset()
  /** The gateway may be another process by now, with another clock: the next answer begins anew. */
  #anew = false
  /** The worst round trip of the newest measurement: so long a commit may take, too, where link and gateway are as busy as they were then. What the offset rests on is the best. */
  #rttMs = 0
  /** The next answer is the first of its measurement. */
  #first = true
  #number = 0
  #answered: ((number: number, nowMs: number) => void) | null = null
  #measuring: Promise<void> | null = null
  #measuredAt = Number.NEGATIVE_INFINITY
  #closed = false
  #cancelNext: () => void = () => undefined

  constructor(ports: GatewayClockPorts) {
    this.#ports = { soon: nap, ...ports }
    const { link, topics, node } = ports
    this.#ends = [
      link.subscribe(topics.down(node, 'time'), (_topic, bytes) => this.#onAnswer(bytes)),
      link.onState((state) => {
        if (state === 'offline') this.#anew = true
        else void this.measure()
      }),
    ]
    if (link.state === 'online') void this.measure()
  }

  estimate(): ClockEstimate | null {
    const estimate = this.#offset.at(this.#ports.clock.monotonic())
    return estimate && { ...estimate, rttMs: this.#rttMs }
  }

  measure(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#cancelNext()
    this.#measuring ??= this.#burst().finally(() => {
      this.#measuring = null
      if (this.#closed) return
      const nextMs = this.#waiting.size > 0 && this.estimate() === null ? retryMs : everyMs
      this.#cancelNext = this.#ports.clock.after(nextMs, () => void this.measure())
    })
    return this.#measuring
  }

  async #burst(): Promise<void> {
    const { clock, link } = this.#ports
    const begun = clock.monotonic()
    let answers = 0
    this.#first = true
    while (answers < asks && link.state === 'online' && !this.#closed) {
      if (answers >= leastAsks && (this.estimate()?.errorMs ?? enoughMs) < enoughMs) break
      const leftMs = begun + measureMs - clock.monotonic()
      if (leftMs <= 0) break
      if (await this.#ask(Math.min(answerMs, leftMs))) answers++
    }
    if (answers === 0) return
    this.#measuredAt = clock.monotonic()
    for (const waiting of this.#waiting) this.#arm(waiting)
  }

  /** Whether an answer came in time. */
  #ask(withinMs: number): Promise<boolean> {
    const { clock, link, topics, node } = this.#ports
    const number = this.#number++ % 0xffff_ffff
    return new Promise((resolve) => {
      const cancel = clock.after(withinMs, () => done(false))
      const done = (answered: boolean) => {
        cancel()
        this.#answered = null
        resolve(answered)
      }
      const sentAt = clock.monotonic()
      this.#answered = (answers, gatewayMs) => {
        if (answers !== number) return
        const receivedAt = clock.monotonic()
        try {
          if (this.#anew) this.#offset = new ClockOffset()
          this.#anew = false
          this.#offset.add({ sentAt, gatewayMs, receivedAt })
          this.#rttMs = Math.max(this.#first ? 0 : this.#rttMs, receivedAt - sentAt)
          this.#first = false
          done(true)
        } catch (thrown) {
          this.#ports.onProblem(asHyphaError(thrown))
        }
      }
      link.publish(topics.up(node, 'time'), timeAsk.encode({ number }), { qos: 0 }).catch(() => {
        // Cut in between: the next connection measures anew.
        done(false)
      })
    })
  }

  #onAnswer(bytes: Uint8Array): void {
    try {
      const { number, nowMs } = timeAnswer.decode(bytes)
      this.#answered?.(number, nowMs)
    } catch (thrown) {
      this.#ports.onProblem(asHyphaError(thrown))
    }
  }

  after(instantMs: number, run: () => void): () => void {
    const waiting: Waiting = { instantMs, run, cancel: () => undefined }
    this.#waiting.add(waiting)
    this.#arm(waiting)
    if (this.#ports.clock.monotonic() - this.#measuredAt > freshMs) void this.measure()
    return () => {
      waiting.cancel()
      this.#waiting.delete(waiting)
    }
  }

  /** Waits coarsely, and then looks at the clock until it is time. */
  #arm(waiting: Waiting): void {
    const { clock, soon } = this.#ports
    waiting.cancel()
    const estimate = this.estimate()
    if (estimate === null) return
    const due = waiting.instantMs - estimate.offsetMs
    let cancelled = false
    const look = () => {
      if (cancelled) return
      const leftMs = due - clock.monotonic()
      if (leftMs > 0) return soon(look, leftMs)
      this.#waiting.delete(waiting)
      waiting.run()
    }
    const leftMs = due - clock.monotonic()
    let cancelTimer: () => void = () => undefined
    if (leftMs > fineMs) cancelTimer = clock.after(leftMs - fineMs, look)
    else soon(look, Math.max(0, leftMs))
    waiting.cancel = () => {
      cancelled = true
      cancelTimer()
    }
  }

  close(): void {
    this.#closed = true
    this.#cancelNext()
    for (const end of this.#ends) end()
    for (const { cancel } of this.#waiting) cancel()
    this.#waiting.clear()
  }
}
