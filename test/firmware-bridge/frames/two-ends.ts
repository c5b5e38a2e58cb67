import type { Channel } from '../../../firmware-bridge/frames/frame.ts'
import type { Limits } from '../../../firmware-bridge/frames/hello.ts'
import { encodeFrame, FrameReader } from '../../../firmware-bridge/frames/line.ts'
import type { SenderOptions } from '../../../firmware-bridge/frames/sender.ts'
import {
  isDone,
  next,
  nextWake,
  openWindow,
  type WindowInput,
  type WindowState,
} from '../../../firmware-bridge/frames/window.ts'

/** How a simulated line treats what goes over it; chances are per bit or per frame, in both directions. */
export interface LineBehaviour {
  readonly bytesPerMs: number
  readonly delayMs: number
  readonly flippedBits: number
  readonly lostFrames: number
  /** A byte of the frame is missing. */
  readonly lostBytes: number
  /** Noise comes after the frame. */
  readonly noise: number
}

export interface EndBehaviour {
  readonly limits: Limits
  readonly options?: Partial<SenderOptions>
  /** How long the layer above needs to take a payload. */
  takesMs(channel: Channel): number
}

export interface Offered {
  readonly at: number
  readonly channel: Channel
  readonly payload: Uint8Array
}

export interface Delivered {
  readonly at: number
  readonly channel: Channel
  readonly payload: Uint8Array
}

/** Repeatable chance (mulberry32). */
export function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/** Two windows joined by a line that keeps order and little else, on a clock that jumps from event to event. */
export class TwoEnds {
  now = 0
  readonly ends: readonly [End, End]
  readonly #line: LineBehaviour
  readonly #random: () => number
  readonly #events: { at: number; place: number; run: () => void }[] = []
  #places = 0

  constructor(seed: number, line: LineBehaviour, a: EndBehaviour, b: EndBehaviour) {
    this.#line = line
    this.#random = chance(seed)
    this.ends = [new End(a, b.limits), new End(b, a.limits)]
  }

  /** Runs until everything offered was taken at the other end; false if that has not come to pass after `untilMs`. */
  run(offers: readonly [readonly Offered[], readonly Offered[]], untilMs: number): boolean {
    for (const side of [0, 1] as const) {
      for (const { at, channel, payload } of offers[side]) {
        this.#at(at, () => this.#input(side, { kind: 'offer', channel, payload }))
      }
    }
    while (this.#events.length > 0) {
      const event = this.#events.shift()!
      if (event.at > untilMs) return false
      this.now = event.at
      event.run()
    }
    return this.ends.every(({ state }) => isDone(state))
  }

  #at(at: number, run: () => void): void {
    const event = { at, place: this.#places++, run }
    const after = this.#events.findIndex((other) => other.at > at)
    this.#events.splice(after < 0 ? this.#events.length : after, 0, event)
  }

  #input(side: 0 | 1, input: WindowInput): void {
    const end = this.ends[side]
    const step = next(end.state, input)
    end.state = step.state
    for (const effect of step.effects) {
      if (effect.kind === 'send') this.#send(side, encodeFrame(effect.frame))
      else if (effect.kind === 'deliver') {
        const { channel, payload } = effect
        end.delivered.push({ at: this.now, channel, payload })
        this.#at(this.now + end.behaviour.takesMs(channel), () => this.#input(side, { kind: 'taken', channel }))
      } else if (effect.kind === 'violation' || effect.kind === 'refused') {
        end.complaints.push(`${effect.kind} ${effect.channel} ${effect.why}`)
      }
    }
    if (input.kind !== 'ready') this.#ready(side)
  }

  /** Gives the line's turn to an end whenever the line is idle; else plans to come back. */
  #ready(side: 0 | 1): void {
    const end = this.ends[side]
    if (end.lineFreeAt > this.now) return
    this.#input(side, { kind: 'ready', at: this.now })
    const wake = nextWake(end.state)
    if (end.lineFreeAt > this.now || wake === null || wake === end.wakeAt) return
    end.wakeAt = wake
    this.#at(Math.max(wake, this.now), () => {
      if (end.wakeAt !== wake) return
      end.wakeAt = null
      this.#ready(side)
    })
  }

  #send(side: 0 | 1, bytes: Uint8Array): void {
    const end = this.ends[side]
    end.sentBytes += bytes.length
    end.lineFreeAt = this.now + bytes.length / this.#line.bytesPerMs
    this.#at(end.lineFreeAt, () => this.#ready(side))
    const other = this.ends[1 - side]!
    const spoilt = this.#spoil(bytes)
    this.#at(end.lineFreeAt + this.#line.delayMs, () => {
      for (const frame of other.reader.push(spoilt)) {
        if (frame.kind === 'data' || frame.kind === 'ack') {
          this.#input(side === 0 ? 1 : 0, { kind: 'arrived', frame, at: this.now })
        }
      }
    })
  }

  #spoil(bytes: Uint8Array): Uint8Array {
    const { flippedBits, lostFrames, lostBytes, noise } = this.#line
    if (this.#random() < lostFrames) return new Uint8Array()
    // One draw a frame says whether any bit is hit; where one is, more may be.
    let spoilt = bytes
    while (this.#random() < 1 - (1 - flippedBits) ** (bytes.length * 8)) {
      const bit = Math.floor(this.#random() * bytes.length * 8)
      spoilt = spoilt.map((byte, index) => (index === bit >>> 3 ? byte ^ (1 << (bit & 7)) : byte))
    }
    if (this.#random() < lostBytes) {
      const at = Math.floor(this.#random() * spoilt.length)
      spoilt = spoilt.filter((_, index) => index !== at)
    }
    if (this.#random() < noise) {
      const rubbish = Array.from({ length: 1 + Math.floor(this.#random() * 40) }, () => this.#random() * 256)
      spoilt = Uint8Array.from([...spoilt, ...rubbish])
    }
    return spoilt
  }
}

export class End {
  state: WindowState
  readonly reader: FrameReader
  readonly behaviour: EndBehaviour
  readonly delivered: Delivered[] = []
  /** Violations and refusals: between honest ends there are none. */
  readonly complaints: string[] = []
  lineFreeAt = 0
  wakeAt: number | null = null
  sentBytes = 0

  constructor(behaviour: EndBehaviour, peer: Limits) {
    this.behaviour = behaviour
    this.state = openWindow(behaviour.limits, peer, behaviour.options)
    this.reader = new FrameReader(behaviour.limits.maxPayload)
  }
}
