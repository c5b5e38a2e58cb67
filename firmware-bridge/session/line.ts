import type { Clock } from '@hypha/core/ports/clock.ts'
import type { BytePort } from './byte-port.ts'
import { Session, type SessionEvent, type SessionOptions } from './session.ts'

export interface LineOptions extends SessionOptions {
  /** Ten bits are a byte. What the machine would only keep in its own queue is kept back here, where a value can still go before an update. */
  readonly baudRate: number
}

/** How much of the line's time may wait in the machine's queue: as much as a busy machine may let this process wait for its turn. */
const aheadMs = 50
/** What is written at a time, where the line takes it. */
const chunkBytes = 4_096

/** Runs a session over a port: bytes that come are fed in, and what it has to say is written as the line takes it. */
export class Line {
  readonly session: Session
  readonly #port: BytePort
  readonly #clock: Clock
  readonly #bytesPerMs: number
  /** When what was written so far will have gone out. */
  #freeAt: number
  #writing = false
  #ended = false
  #cancel: (() => void) | null = null

  constructor(port: BytePort, clock: Clock, options: LineOptions, on: (event: SessionEvent) => void) {
    this.#port = port
    this.#clock = clock
    this.#bytesPerMs = options.baudRate / 10_000
    this.#freeAt = clock.monotonic()
    this.session = new Session(options, clock.monotonic(), on)
    queueMicrotask(() => this.pump())
  }

  feed(bytes: Uint8Array): void {
    if (this.#ended) return
    this.session.feed(bytes, this.#clock.monotonic())
    this.pump()
  }

  /** To be called after the session was given something to send. */
  pump(): void {
    if (this.#ended || this.#writing) return
    this.#cancel?.()
    this.#cancel = null
    const now = this.#clock.monotonic()
    const bytes = this.#collect(now)
    if (bytes.length > 0) this.#write(bytes)
    else this.#planNext(now)
  }

  /** The port has gone, or is about to be closed. */
  stop(): void {
    this.#ended = true
    this.#cancel?.()
  }

  #collect(now: number): Uint8Array {
    this.#freeAt = Math.max(this.#freeAt, now)
    const frames: Uint8Array[] = []
    let size = 0
    while (size < chunkBytes && this.#freeAt - now < aheadMs) {
      const frame = this.session.poll(now)
      if (frame === null) break
      frames.push(frame)
      size += frame.length
      this.#freeAt += frame.length / this.#bytesPerMs
    }
    const bytes = new Uint8Array(size)
    let at = 0
    for (const frame of frames) {
      bytes.set(frame, at)
      at += frame.length
    }
    return bytes
  }

  #write(bytes: Uint8Array): void {
    this.#writing = true
    const done = () => {
      this.#writing = false
      this.pump()
    }
    // A port that has gone says so by itself.
    this.#port.write(bytes).then(done, () => this.stop())
  }

  #planNext(now: number): void {
    const free = this.#freeAt - now >= aheadMs ? this.#freeAt - aheadMs : null
    const due = free ?? this.session.wakeAt(now)
    // Nothing of it is finer than a millisecond.
    if (due !== null) this.#cancel = this.#clock.after(Math.max(1, due - now), () => this.pump())
  }
}
