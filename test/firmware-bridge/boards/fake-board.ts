import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Answer } from '@hypha/core/wire/board/answer.ts'
import type { Call } from '@hypha/core/wire/board/call.ts'
import type { Identify } from '@hypha/core/wire/board/identify.ts'
import { type FromBoard, fromBoard, type ToBoard, toBoard } from '@hypha/core/wire/board/messages.ts'
import type { Offer } from '@hypha/core/wire/board/offer.ts'
import type { BytePort, BytePortEvents } from '../../../firmware-bridge/session/byte-port.ts'
import { Line } from '../../../firmware-bridge/session/line.ts'
import { chance } from '../frames/two-ends.ts'

export const identifyOf = (board: string, key = 1): Identify => ({
  board,
  key: new Uint8Array(32).fill(key),
  fleet: 'home',
  invite: null,
  firmware: '0.1.0',
  hardware: 'host',
  flashBytes: 262_144,
  ramBytes: 65_536,
  slotBytes: 65_536,
  slots: 2,
  memoryBytes: 40_960,
  envelopeBytes: 8_192,
  kvBytes: 4_096,
  interfaces: ['hypha:host/sensor@0.1.0'],
  sensors: ['temperature'],
  actuators: [],
  features: [],
  incarnation: new Uint8Array(8).fill(key),
})

/** What a board does with what it is told. */
export interface BoardBehaviour {
  readonly identify: Identify
  /** Null: it takes the offer. */
  refuses?(offer: Offer): string | null
  /** Null: it doesn't answer. */
  answers?(call: Call): Answer['outcome'] | null
}

/** A wire of a clock's milliseconds: what one end writes the other hears. */
export class FakeCable {
  readonly #clock: Clock
  readonly #ends: (BytePortEvents | null)[] = [null, null]
  isCut = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  end(side: 0 | 1, on: BytePortEvents): BytePort {
    this.#ends[side] = on
    return {
      write: async (bytes) => {
        this.#clock.after(1, () => {
          if (!this.isCut) this.#ends[1 - side]?.onBytes(bytes)
        })
      },
      close: async () => {
        this.#ends[side] = null
      },
    }
  }

  /** The bridge's machine sees that the port has gone. */
  unplug(): void {
    this.isCut = true
    this.#ends[0]?.onGone('the cable was pulled')
  }
}

/** A board as the bridge sees it: it keeps what it holds when it loses its power. */
export class FakeBoard {
  readonly #behaviour: BoardBehaviour
  readonly #clock: Clock
  #line: Line | null = null
  #seed: number
  /** What it holds of contents, by the digest's first byte. */
  readonly holds = new Map<number, number[]>()
  readonly told: ToBoard[] = []
  #open: Offer | null = null

  constructor(behaviour: BoardBehaviour, clock: Clock) {
    this.#behaviour = behaviour
    this.#clock = clock
    this.#seed = behaviour.identify.key[0]!
  }

  /** Starts, or starts anew, on a cable. */
  start(cable: FakeCable): void {
    this.#line?.stop()
    const random = chance(this.#seed++)
    const port = cable.end(1, { onBytes: (bytes) => line.feed(bytes), onGone: () => undefined })
    const options = {
      limits: { maxPayload: 256, window: 8, arena: 256 * 12 },
      incarnation: () => 1 + Math.floor(random() * 0xffff_fffe),
      baudRate: 115_200,
    }
    const line: Line = new Line(port, this.#clock, options, (event) => {
      if (event.kind === 'opened') this.say({ kind: 'identify', ...this.#behaviour.identify })
      if (event.kind !== 'payload') return
      line.session.taken(event.channel)
      this.#heard(toBoard.decode(event.payload))
    })
    this.#line = line
  }

  say(message: FromBoard): void {
    const channel = message.kind === 'report' ? 'telemetry' : message.kind === 'answer' ? 'inputs' : 'control'
    this.#line?.session.offer(channel, fromBoard.encode(message))
    this.#line?.pump()
  }

  #heard(message: ToBoard): void {
    if (message.kind !== 'piece') this.told.push(message)
    if (message.kind === 'offer') this.#offered(message)
    else if (message.kind === 'piece' && this.#open?.transfer === message.transfer)
      this.#took(message.at, message.bytes)
    else if (message.kind === 'call') {
      const outcome = this.#behaviour.answers?.(message) ?? null
      if (outcome === null) return
      this.say({ kind: 'answer', number: message.number, outcome, value: outcome === 'ok' ? 21.5 : null })
    }
  }

  #offered(offer: Offer): void {
    const code = this.#behaviour.refuses?.(offer) ?? null
    if (code !== null) {
      this.say({ kind: 'refused', of: 'transfer', number: offer.transfer, code, detail: null })
      return
    }
    this.#open = offer
    const held = this.holds.get(offer.digest[0]!) ?? []
    this.holds.set(offer.digest[0]!, held)
    this.say({ kind: 'held', transfer: offer.transfer, at: held.length, complete: held.length === offer.wireSize })
  }

  #took(at: number, bytes: Uint8Array): void {
    const offer = this.#open!
    const held = this.holds.get(offer.digest[0]!)!
    if (at !== held.length) throw new Error(`a piece of ${at} after ${held.length} bytes`)
    held.push(...bytes)
    const complete = held.length === offer.wireSize
    if (complete || held.length % 4_096 < bytes.length) {
      this.say({ kind: 'held', transfer: offer.transfer, at: held.length, complete })
    }
  }
}
