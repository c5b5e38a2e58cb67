import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { maxInputsAtOnce } from '@hypha/core/wire/board/agent-port.ts'
import type { BoardInput } from '@hypha/core/wire/board/input.ts'
import { inputRoom, tooLarge } from '@hypha/core/wire/board/input-room.ts'
import type { BoardState } from '@hypha/core/wire/board/state.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import type { Input } from '@hypha/core/wire/messages/input.ts'
import type { Done } from './requests.ts'

export interface BoardInputPorts {
  readonly board: string
  readonly clock: Clock
  /** Hands some to the board; `detail` of the answer is how many it has taken. */
  give(inputs: readonly BoardInput[]): Promise<Done>
  /** The board will never be given this one. */
  refuse(input: Input, text: string): void
}

/** Of one board. The gateway sends an instance at most 64 that aren't handled. */
const maxQueued = 256
/** Instances whose numbers are remembered: a board runs one. */
const maxInstances = 16
/** After a board had no room, or was away for a moment. */
const busyMs = 200
/** A board that is away for longer may come back to an instance that was elsewhere meanwhile: the gateway sends anew what is still for it. */
const awayMs = 5_000

/** Where an instance's inputs have come to. */
interface Stream {
  /** The number that came last. */
  last: number
  /** One wasn't given, and a later one must not be handled before it: until they come again from the first on, they are passed over. */
  broken: boolean
}

/**
 * Gives a board the inputs that the gateway sends, in their order: a board takes a lower number than one that it had for a repetition, and would say that it was handled. So where one can't be given
 * now, none is that comes after it; the gateway sends all of them again. One that is longer than the board's messages may be is refused, and the others go on. [P 15.9]
 */
export class BoardInputs {
  readonly #ports: BoardInputPorts
  readonly #streams = new Map<string, Stream>()
  #queue: Input[] = []
  #source: Uint8Array = new Uint8Array()
  #messageBytes: number
  /** Undefined until it has said so. */
  #runs: { readonly app: string; readonly module: string; readonly now: boolean } | null | undefined
  #isConnected = true
  /** How many of the queue are on their way; 0 for none. */
  #underWay = 0
  #cancel = (): void => undefined

  constructor(ports: BoardInputPorts, messageBytes: number) {
    this.#ports = ports
    this.#messageBytes = messageBytes
  }

  add(inputs: readonly Input[]): void {
    for (const input of inputs) this.#take(input)
    this.#pump()
  }

  /** What the board says that it runs. */
  heard({ running, slots }: BoardState): void {
    const run = running.find(({ status }) => status !== 'failed' && status !== 'stopped')
    const slot = slots.find((each) => each.slot === run?.slot)
    this.#runs =
      run === undefined || slot === undefined || slot.app === null || slot.module === null
        ? null
        : { app: slot.app, module: slot.module, now: run.status === 'running' }
    if (this.#queue.some((input) => !this.#isFor(input))) this.#dropAll()
    this.#pump()
  }

  appeared(messageBytes: number): void {
    this.#cancel()
    this.#messageBytes = messageBytes
    this.#isConnected = true
    this.#runs = undefined
  }

  left(): void {
    this.#isConnected = false
    this.#runs = undefined
    this.#cancel()
    this.#cancel = this.#ports.clock.after(awayMs, () => {
      this.#runs = null
      this.#dropAll()
    })
  }

  close(): void {
    this.#cancel()
    this.#queue = []
  }

  #take(input: Input): void {
    const { number, source, topic, payload } = input
    if (!bytesEqual(source, this.#source)) {
      this.#source = Uint8Array.from(source)
      this.#streams.clear()
    }
    const stream = this.#streamOf(input)
    // A number that isn't higher than the one before: they come again from the first on.
    if (number <= stream.last) stream.broken = false
    stream.last = number
    const room = inputRoom(input, this.#messageBytes)
    if (payload.length > room) {
      this.#ports.refuse(input, tooLarge(this.#ports.board, topic, payload.length, room, this.#messageBytes))
      return
    }
    if (this.#queue.some((other) => other.number === number && isSame(other, input))) return
    if (stream.broken || !this.#isFor(input) || this.#queue.length >= maxQueued) stream.broken = true
    else this.#queue.push(input)
  }

  #streamOf(input: Input): Stream {
    const name = instanceName(input)
    const known = this.#streams.get(name)
    if (known !== undefined) return known
    if (this.#streams.size >= maxInstances) this.#streams.delete(this.#streams.keys().next().value!)
    const stream = { last: 0, broken: false }
    this.#streams.set(name, stream)
    return stream
  }

  /** Whether the board has an instance for it, as far as is known. */
  #isFor({ app, module }: Input): boolean {
    return this.#runs === undefined || (this.#runs?.app === app && this.#runs.module === module)
  }

  #dropAll(): void {
    for (const input of this.#queue) this.#streamOf(input).broken = true
    this.#queue = []
    this.#underWay = 0
  }

  #pump(): void {
    if (this.#underWay > 0 || !this.#isConnected || this.#runs?.now !== true || this.#queue.length === 0) return
    const batch = this.#queue.slice(0, maxInputsAtOnce)
    this.#underWay = batch.length
    const asBoardsHaveThem = batch.map(({ publisher: _, ...input }): BoardInput => input)
    void this.#ports.give(asBoardsHaveThem).then(({ code, detail }) => {
      // Dropped meanwhile.
      if (this.#queue[0] !== batch[0]) return
      this.#underWay = 0
      this.#queue.splice(0, detail ?? 0)
      if (code === null) this.#pump()
      else if (this.#isConnected) this.#cancel = this.#ports.clock.after(busyMs, () => this.#pump())
    })
  }
}

const isSame = (a: Input, b: Input): boolean =>
  instanceName(a) === instanceName(b) && toHex(a.source) === toHex(b.source)
