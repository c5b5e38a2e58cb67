import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { type Channel, channels } from '../../../firmware-bridge/frames/frame.ts'
import type { Limits } from '../../../firmware-bridge/frames/hello.ts'
import { Session, type SessionEvent } from '../../../firmware-bridge/session/session.ts'
import type { Asked } from '../../support/firmware.ts'
import { chance } from '../frames/two-ends.ts'

/** One side of a line on a clock that a test holds, be it the bridge's or the firmware's. */
export interface End {
  /** How often it opened, restarts included. */
  readonly openings: number
  readonly isOpen: boolean
  feed(bytes: Uint8Array, at: number): Promise<void>
  poll(at: number): Promise<Uint8Array>
  /** When `poll` is due though nothing comes, as of the last feed or poll. */
  readonly wakeAt: number | null
  offer(channel: Channel, payload: Uint8Array): Promise<boolean>
  take(channel: Channel): Promise<Uint8Array | null>
  /** Loses its power, and has it again. */
  restart(at: number): Promise<void>
  /** Ends what is open. */
  end(at: number): Promise<void>
}

/** The bridge's side. */
export class BridgeEnd implements End {
  readonly #limits: Limits
  readonly #random: () => number
  #session: Session
  readonly events: SessionEvent[] = []
  #waiting: Record<Channel, Uint8Array[]> = { control: [], update: [], telemetry: [], inputs: [] }
  #earlier = 0
  wakeAt: number | null = null

  constructor(seed: number, limits: Limits) {
    this.#limits = limits
    this.#random = chance(seed)
    this.#session = this.#begin(0)
  }

  get session(): Session {
    return this.#session
  }
  get openings(): number {
    return this.#earlier + this.#session.counters.openings
  }
  get isOpen(): boolean {
    return this.#session.agreed !== null
  }

  #begin(at: number): Session {
    this.#waiting = { control: [], update: [], telemetry: [], inputs: [] }
    const incarnation = () => 1 + Math.floor(this.#random() * 0xffff_fffe)
    return new Session({ limits: this.#limits, incarnation }, at, (event) => {
      this.events.push(event)
      if (event.kind === 'payload') this.#waiting[event.channel].push(event.payload)
      else if (event.kind === 'closed') this.#waiting = { control: [], update: [], telemetry: [], inputs: [] }
    })
  }

  async feed(bytes: Uint8Array, at: number): Promise<void> {
    this.#session.feed(bytes, at)
  }
  async poll(at: number): Promise<Uint8Array> {
    const bytes = this.#session.poll(at)
    this.wakeAt = this.#session.wakeAt(at)
    return bytes ?? new Uint8Array()
  }
  async offer(channel: Channel, payload: Uint8Array): Promise<boolean> {
    return this.#session.offer(channel, payload) === 'offered'
  }
  async take(channel: Channel): Promise<Uint8Array | null> {
    const payload = this.#waiting[channel].shift()
    if (payload === undefined) return null
    this.#session.taken(channel)
    return payload
  }
  async restart(at: number): Promise<void> {
    this.#earlier = this.openings
    this.#session = this.#begin(at)
  }
  async end(at: number): Promise<void> {
    this.#session.end('closing', at)
  }
}

export interface BoardSizes {
  readonly maxPayload: number
  readonly inPlaces: number
  /** As many as places where it is left out. */
  readonly inRooms?: number
  readonly window: number
  readonly outPayload: number
  readonly outPlaces: number
}

/** The firmware's side, in a process of its own. */
export class BoardEnd implements End {
  readonly #board: Asked
  readonly #sizes: BoardSizes
  #seed: number
  #earlier = 0
  #now = 0
  #openings = 0
  isOpen = false
  wakeAt: number | null = null

  private constructor(board: Asked, seed: number, sizes: BoardSizes) {
    this.#board = board
    this.#seed = seed
    this.#sizes = sizes
  }

  static async start(board: Asked, seed: number, sizes: BoardSizes): Promise<BoardEnd> {
    const end = new BoardEnd(board, seed, sizes)
    await end.restart(0)
    return end
  }

  get openings(): number {
    return this.#earlier + this.#openings
  }

  async #ask(...words: (string | number | Uint8Array)[]): Promise<string> {
    const [what, ...rest] = words.map((word) => (typeof word === 'object' ? toHex(word) || '-' : `${word}`))
    const answer = await this.#board.ask(what!, ...rest)
    if (answer.startsWith('died')) throw new Error(answer)
    return answer
  }

  async #moved(answer: string, at: number): Promise<string> {
    const [said, wake, open, openings] = answer.split(' ')
    this.isOpen = open === '1'
    this.#openings = Number(openings)
    this.wakeAt = wake === '4294967295' ? null : at + Number(wake)
    return said!
  }

  async feed(bytes: Uint8Array, at: number): Promise<void> {
    this.#now = Math.floor(at)
    await this.#moved(await this.#ask('feed', this.#now, bytes), at)
  }
  async poll(at: number): Promise<Uint8Array> {
    this.#now = Math.floor(at)
    return fromHex(await this.#moved(await this.#ask('poll', this.#now, 100), at))
  }
  async offer(channel: Channel, payload: Uint8Array): Promise<boolean> {
    return (await this.#ask('offer', channels.indexOf(channel), payload)) === '1'
  }
  async take(channel: Channel): Promise<Uint8Array | null> {
    const answer = await this.#ask('take', channels.indexOf(channel))
    return answer === 'none' ? null : fromHex(answer)
  }
  async restart(at: number): Promise<void> {
    this.#earlier = this.openings
    this.#openings = 0
    this.isOpen = false
    const { maxPayload, inPlaces, inRooms, window, outPayload, outPlaces } = this.#sizes
    const fits = await this.#ask(
      'new',
      this.#seed++,
      maxPayload,
      inPlaces,
      window,
      outPayload,
      outPlaces,
      Math.floor(at),
      inRooms ?? inPlaces,
    )
    if (fits !== '1') throw new Error('The sizes are not ones that a board can have')
  }
  async end(at: number): Promise<void> {
    await this.#ask('reset', 0, Math.floor(at))
  }
  /** Openings, dropped, frames in, out, repeats in, out, violations. */
  async counters(): Promise<number[]> {
    return (await this.#ask('counters')).split(' ').map(Number)
  }
}
