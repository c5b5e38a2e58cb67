import { type Channel, channels } from '../../../firmware-bridge/frames/frame.ts'
import { chance } from '../frames/two-ends.ts'
import type { End } from './ends.ts'

/** What a cable does to bytes; chances per byte, but for `flippedBits`. */
export interface CableBehaviour {
  readonly bytesPerMs: number
  readonly delayMs: number
  readonly flippedBits: number
  readonly lost: number
  readonly invented: number
  /** A stretch of what was just sent comes again. */
  readonly repeated: number
  /** No byte comes through, from the first to the second of these times. */
  readonly cut?: readonly [fromMs: number, toMs: number]
}

export interface ToOffer {
  readonly at: number
  readonly channel: Channel
  readonly payload: Uint8Array
}

interface Accepted extends ToOffer {
  /** The side's opening that it belongs to. */
  readonly opening: number
}

interface Side {
  readonly end: End
  readonly takesMs: () => number
  readonly toOffer: Record<Channel, ToOffer[]>
  readonly accepted: Accepted[]
  readonly taken: { channel: Channel; payload: Uint8Array; at: number }[]
  lineFreeAt: number
  wake: number | null
}

const empty = (): Record<Channel, ToOffer[]> => ({ control: [], update: [], telemetry: [], inputs: [] })

/** Two ends joined by a bad cable, on a clock that jumps from event to event. */
export class Cable {
  now = 0
  readonly sides: readonly [Side, Side]
  readonly #behaviour: CableBehaviour
  readonly #random: () => number
  readonly #events: { at: number; run: () => Promise<void> }[] = []
  #clean = false

  constructor(
    seed: number,
    behaviour: CableBehaviour,
    ends: readonly [End, End],
    takesMs: readonly [() => number, () => number] = [() => 0, () => 0],
  ) {
    this.#behaviour = behaviour
    this.#random = chance(seed)
    const side = (index: 0 | 1): Side => ({
      end: ends[index],
      takesMs: takesMs[index],
      toOffer: empty(),
      accepted: [],
      taken: [],
      lineFreeAt: 0,
      wake: null,
    })
    this.sides = [side(0), side(1)]
  }

  /** Has something happen at a time, after which both ends are looked after. */
  at(at: number, run: () => Promise<void>): void {
    this.#plan(at, async () => {
      await run()
      await this.#pump(0)
      await this.#pump(1)
    })
  }

  /** From then on the cable does nothing to the bytes. */
  mendAt(at: number): void {
    this.#plan(at, async () => {
      this.#clean = true
    })
  }

  offer(side: 0 | 1, offers: readonly ToOffer[]): void {
    for (const offer of offers) {
      this.#plan(offer.at, async () => {
        this.sides[side].toOffer[offer.channel].push(offer)
        await this.#pump(side)
      })
    }
  }

  /** Bytes that come to a side from nowhere. */
  babble(side: 0 | 1, at: number, bytes: Uint8Array): void {
    this.#plan(at, () => this.#arrives(side, bytes))
  }

  /** Runs until all that each side accepted in its last opening was taken at the other; false if it hasn't come to that by `untilMs`. */
  async run(untilMs: number): Promise<boolean> {
    await this.#pump(0)
    await this.#pump(1)
    for (;;) {
      const event = this.#events.shift()
      if (event === undefined) return this.#isDone()
      if (event.at > untilMs) return false
      this.now = event.at
      await event.run()
      if (this.#isDone() && this.#events.every(({ run }) => run === this.#idle)) return true
    }
  }

  readonly #idle = async (): Promise<void> => {
    await this.#pump(0)
    await this.#pump(1)
  }

  #isDone(): boolean {
    return this.sides.every(({ end, toOffer, accepted }, index) => {
      const other = this.sides[1 - index]!
      const due = accepted.filter(({ opening }) => opening === end.openings)
      return (
        end.isOpen &&
        channels.every((channel) => toOffer[channel].length === 0) &&
        due.every((one) => other.taken.some(({ payload }) => payload === one.payload || same(payload, one.payload)))
      )
    })
  }

  #plan(at: number, run: () => Promise<void>): void {
    const after = this.#events.findIndex((other) => other.at > at)
    this.#events.splice(after < 0 ? this.#events.length : after, 0, { at, run })
  }

  async #pump(index: 0 | 1): Promise<void> {
    const side = this.sides[index]
    for (const channel of channels) {
      for (;;) {
        const next = side.toOffer[channel][0]
        if (next === undefined || !(await side.end.offer(channel, next.payload))) break
        side.toOffer[channel].shift()
        side.accepted.push({ ...next, opening: side.end.openings })
      }
    }
    if (side.lineFreeAt > this.now) return
    const bytes = await side.end.poll(this.now)
    if (bytes.length > 0) return this.#send(index, bytes)
    const wake = side.end.wakeAt
    if (wake === null || wake === side.wake) return
    side.wake = wake
    // A millisecond is the finest that a board knows.
    this.#plan(Math.max(wake, this.now + 1), async () => {
      side.wake = null
      await this.#pump(index)
    })
  }

  #send(index: 0 | 1, bytes: Uint8Array): void {
    const side = this.sides[index]
    side.lineFreeAt = this.now + bytes.length / this.#behaviour.bytesPerMs
    const spoilt = this.#spoil(bytes)
    const other = index === 0 ? 1 : 0
    this.#plan(side.lineFreeAt, () => this.#pump(index))
    this.#plan(side.lineFreeAt + this.#behaviour.delayMs, () => this.#arrives(other, spoilt))
  }

  async #arrives(index: 0 | 1, bytes: Uint8Array): Promise<void> {
    const side = this.sides[index]
    await side.end.feed(bytes, this.now)
    this.#plan(this.now + side.takesMs(), async () => {
      for (const channel of channels) {
        for (;;) {
          const payload = await side.end.take(channel)
          if (payload === null) break
          side.taken.push({ channel, payload, at: this.now })
        }
      }
      await this.#pump(index)
    })
    await this.#pump(index)
  }

  #spoil(bytes: Uint8Array): Uint8Array {
    const { flippedBits, lost, invented, repeated, cut } = this.#behaviour
    if (cut !== undefined && this.now >= cut[0] && this.now < cut[1]) return new Uint8Array()
    if (this.#clean) return bytes
    const spoilt: number[] = []
    for (const byte of bytes) {
      if (this.#random() < lost) continue
      const hit = this.#random() < flippedBits * 8
      spoilt.push(hit ? byte ^ (1 << Math.floor(this.#random() * 8)) : byte)
      if (this.#random() < invented) spoilt.push(Math.floor(this.#random() * 256))
      if (this.#random() < repeated) spoilt.push(...spoilt.slice(-1 - Math.floor(this.#random() * 300)))
    }
    return Uint8Array.from(spoilt)
  }
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, at) => byte === b[at])

/** Payloads that differ from one another: they begin with their number. */
export function payloadsBy(
  random: () => number,
  count: number,
  longest: number,
  spreadMs: number,
  on: readonly Channel[] = channels,
): ToOffer[] {
  const times = Array.from({ length: count }, () => Math.floor(random() * spreadMs)).sort((a, b) => a - b)
  return times.map((at, number) => {
    const payload = Uint8Array.from({ length: 4 + Math.floor(random() * (longest - 3)) }, () =>
      random() < 0.2 ? 0 : random() * 256,
    )
    new DataView(payload.buffer).setUint32(0, number)
    return { at, channel: on[Math.floor(random() * on.length)]!, payload }
  })
}

/** What a channel delivered has to be: of what was accepted, each at most once and in order; of the last opening all. Answers what is wrong. */
export function faults(cable: Cable): string[] {
  const wrong: string[] = []
  for (const index of [0, 1] as const) {
    const { end, accepted } = cable.sides[index]
    const { taken } = cable.sides[1 - index]!
    for (const channel of channels) {
      const sent = accepted.filter((one) => one.channel === channel)
      let at = 0
      for (const one of taken.filter((each) => each.channel === channel)) {
        const found = sent.findIndex(({ payload }, place) => place >= at && same(payload, one.payload))
        if (found < 0) wrong.push(`side ${1 - index}, ${channel}: a payload that wasn't due at ${one.at}`)
        const missed = sent.slice(at, Math.max(at, found)).filter(({ opening }) => opening === sent[found]?.opening)
        if (found >= 0 && missed.length > 0 && at > 0 && sent[at - 1]?.opening === sent[found]?.opening) {
          wrong.push(`side ${1 - index}, ${channel}: ${missed.length} missing in one opening`)
        }
        at = found + 1
      }
      const last = sent.filter(({ opening }) => opening === end.openings).at(-1)
      if (last !== undefined && !taken.some(({ payload }) => same(payload, last.payload))) {
        wrong.push(`side ${1 - index}, ${channel}: the last payload never came`)
      }
    }
  }
  return wrong
}
