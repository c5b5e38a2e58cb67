import type { Channel } from '../frames/frame.ts'
import type { Limits } from '../frames/hello.ts'
import { encodeFrame, type Frame, FrameReader } from '../frames/line.ts'
import type { ResetReason } from '../frames/reset.ts'
import type { SenderOptions } from '../frames/sender.ts'
import {
  next,
  nextWake,
  openWindow,
  untaken,
  type WindowEffect,
  type WindowInput,
  type WindowState,
} from '../frames/window.ts'
import {
  type Agreed,
  type CloseWhy,
  newOpening,
  nextOpening,
  type OpeningEffect,
  type OpeningInput,
  type OpeningState,
  openingWake,
} from './opening.ts'

export interface SessionOptions {
  /** What this side takes. */
  readonly limits: Limits
  /** A random number from 1 to 2³² − 1. */
  incarnation(): number
  readonly sender?: Partial<SenderOptions>
}

/** What a bridge takes of a board: as much as the wire allows. */
export const bridgeLimits: Limits = { maxPayload: 4_096, window: 32, arena: 32 * 4_096 }

export interface Payload {
  readonly channel: Channel
  readonly payload: Uint8Array
}

export type SessionEvent =
  | { readonly kind: 'opened'; readonly agreed: Agreed }
  /** `untaken`: what was offered and not taken at the other end, in the order of each channel. [S 4.7] */
  | {
      readonly kind: 'closed'
      readonly why: CloseWhy
      readonly by: 'own' | 'peer'
      readonly untaken: readonly Payload[]
    }
  /** The channel's next payload. To be answered with `taken`. */
  | { readonly kind: 'payload'; readonly channel: Channel; readonly payload: Uint8Array }
  /** The channel's oldest `count` payloads were taken at the other end. */
  | { readonly kind: 'done'; readonly channel: Channel; readonly count: number }

export interface SessionCounters {
  readonly bytesIn: number
  readonly bytesOut: number
  readonly framesIn: number
  readonly framesOut: number
  readonly openings: number
  /** Frames that a peer in step doesn't send. */
  readonly violations: number
  /** Frames that were dropped, by reason. */
  readonly dropped: Readonly<Record<string, number>>
}

/**
 * One side of a line as a whole, over whatever carries bytes: they are fed in as they come and polled out as the line takes them, and time is
 * passed along, in milliseconds of a monotonic clock. The same calls as those of `firmware/wire/wire.h`.
 */
export class Session {
  readonly #options: SessionOptions
  readonly #on: (event: SessionEvent) => void
  readonly #reader: FrameReader
  #opening: OpeningState
  #window: WindowState | null = null
  #counters = { bytesIn: 0, bytesOut: 0, framesIn: 0, framesOut: 0, openings: 0, violations: 0 }

  /** `on` hears what happens, after the session's state has changed: it may call the session. */
  constructor(options: SessionOptions, at: number, on: (event: SessionEvent) => void) {
    this.#options = options
    this.#on = on
    this.#reader = new FrameReader(options.limits.maxPayload)
    this.#opening = newOpening(options.limits, options.incarnation(), at)
  }

  /** What was agreed on with the peer; null while closed. */
  get agreed(): Agreed | null {
    return this.#opening.agreed
  }

  get counters(): SessionCounters {
    return { ...this.#counters, dropped: this.#reader.dropped }
  }

  /** Bytes came: any, in pieces of any size. */
  feed(bytes: Uint8Array, at: number): void {
    this.#counters.bytesIn += bytes.length
    for (const frame of this.#reader.push(bytes)) {
      if (frame.kind === 'bad') continue
      this.#counters.framesIn++
      this.#arrived(frame, at)
    }
  }

  /** The next frame to send; null: nothing now. To be called whenever the line takes bytes. */
  poll(at: number): Uint8Array<ArrayBuffer> | null {
    const frame = this.#nextFrame(at)
    if (frame === null) return null
    const bytes = encodeFrame(frame)
    this.#counters.framesOut++
    this.#counters.bytesOut += bytes.length
    return bytes
  }

  /** When `poll` is due even if nothing comes; null: not before another call. */
  wakeAt(at: number): number | null {
    const times = [openingWake(this.#opening, at), this.#window === null ? null : nextWake(this.#window)]
    const due = times.filter((time) => time !== null)
    return due.length > 0 ? Math.min(...due) : null
  }

  /** A payload to be sent. What isn't `offered` is still the caller's. */
  offer(channel: Channel, payload: Uint8Array): 'offered' | 'closed' | 'too-long' | 'queue-full' {
    if (this.#window === null) return 'closed'
    const step = next(this.#window, { kind: 'offer', channel, payload })
    this.#window = step.state
    const refused = step.effects.find((effect) => effect.kind === 'refused')
    return refused === undefined ? 'offered' : refused.why
  }

  /** Done with the oldest payload of a channel that was handed out: the peer may send another. */
  taken(channel: Channel): void {
    if (this.#window !== null) this.#window = next(this.#window, { kind: 'taken', channel }).state
  }

  /** Ends what is open; it opens again by itself, as long as the session is fed and polled. */
  end(reason: ResetReason, at: number): void {
    this.#openingStep({ kind: 'end', reason, at, fresh: this.#options.incarnation() })
  }

  #arrived(frame: Frame, at: number): void {
    if (frame.kind === 'hello') {
      this.#openingStep({ kind: 'hello', frame, at, fresh: this.#options.incarnation() })
    } else if (frame.kind === 'reset') {
      this.#openingStep({ kind: 'reset', frame, at, fresh: this.#options.incarnation() })
    } else this.#windowStep({ kind: 'arrived', frame, at }, at)
  }

  #nextFrame(at: number): Frame | null {
    const opening = this.#openingStep({ kind: 'ready', at })
    if (opening !== null) return opening
    const frame = this.#windowStep({ kind: 'ready', at }, at)
    // A reset that came of it is due at once.
    return frame === null && this.#opening.reset !== null ? this.#openingStep({ kind: 'ready', at }) : frame
  }

  #openingStep(input: OpeningInput): Frame | null {
    const { state, effects } = nextOpening(this.#opening, input)
    this.#opening = state
    let frame: Frame | null = null
    for (const effect of effects) {
      if (effect.kind === 'send') frame = effect.frame
      else this.#opensOrCloses(effect)
    }
    return frame
  }

  #opensOrCloses(effect: Exclude<OpeningEffect, { kind: 'send' }>): void {
    if (effect.kind === 'closed') {
      const left = this.#window === null ? [] : untaken(this.#window)
      this.#window = null
      this.#on({ ...effect, untaken: left })
      return
    }
    this.#counters.openings++
    this.#window = openWindow(this.#options.limits, effect.agreed.limits, this.#options.sender)
    this.#on(effect)
  }

  /** What comes while closed is dropped. [S 4.2] */
  #windowStep(input: WindowInput, at: number): Frame | null {
    if (this.#window === null) return null
    const { state, effects } = next(this.#window, input)
    this.#window = state
    let frame: Frame | null = null
    for (const effect of effects) {
      if (effect.kind === 'send') frame = effect.frame
      // Whoever hears of one may end the line: then the others are of no opening any more.
      else if (this.#window !== null) this.#happened(effect, at)
    }
    return frame
  }

  #happened(effect: Exclude<WindowEffect, { kind: 'send' }>, at: number): void {
    if (effect.kind === 'deliver') this.#on({ kind: 'payload', channel: effect.channel, payload: effect.payload })
    else if (effect.kind === 'done') this.#on(effect)
    // [S 5.8]
    else if (effect.kind === 'silent') this.end('silent', at)
    // [S 5.7] [S 6.4]
    else if (effect.kind === 'violation') {
      this.#counters.violations++
      this.end('out-of-step', at)
    }
  }
}
