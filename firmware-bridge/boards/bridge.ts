import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import type { FromBoard } from '@hypha/core/wire/board/messages.ts'
import type { Limits } from '../frames/hello.ts'
import type { BytePort, BytePortEvents } from '../session/byte-port.ts'
import { Line } from '../session/line.ts'
import { bridgeLimits, type SessionCounters } from '../session/session.ts'
import { Board, type BoardWay } from './board.ts'
import { Messenger } from './messenger.ts'

/** What a bridge needs of the machine. */
export interface BridgePorts {
  readonly clock: Clock
  readonly crypto: Pick<Crypto, 'random'>
  /** Opens a port by its path. Throws `serial-port-failed`. */
  open(path: string, baudRate: number, on: BytePortEvents): Promise<BytePort>
  /** Calls `changed` at once and whenever other ports are there; the result ends that. */
  watch(changed: (paths: readonly string[]) => void): () => void
}

export type BridgeEvent =
  /** A board has identified itself: for the first time, after it was away, or on another port. */
  | { readonly kind: 'appeared'; readonly board: Board }
  /** Something in its identity has changed. */
  | { readonly kind: 'identified'; readonly board: Board }
  | { readonly kind: 'left'; readonly board: Board; readonly why: string }
  /** `state`, `report`, `session`, and a `refused` that isn't a transfer's. */
  | { readonly kind: 'said'; readonly board: Board; readonly message: FromBoard }
  /** Another board says that it is this one, with another key or, where the flash of one was copied, with the same: it is passed over. [S 8.4] */
  | { readonly kind: 'impostor'; readonly board: Board; readonly path: string; readonly sameKey: boolean }
  | {
      readonly kind: 'port'
      readonly path: string
      readonly status: 'open' | 'failed' | 'gone'
      readonly message: string | null
    }

export interface PortStatus {
  readonly path: string
  /** Of the board that is there; null before it has identified itself. */
  readonly board: string | null
  readonly counters: SessionCounters
  /** Messages that couldn't be read. */
  readonly malformed: number
}

/** A port that is open, and the line on it. */
interface Opened {
  readonly path: string
  readonly port: BytePort
  readonly line: Line
  readonly messenger: Messenger
  board: Board | null
  /** That was on it until it identified itself on another line: whoever goes on speaking here is a second one. */
  was: Board | null
  /** What the board takes. */
  limits: Limits
}

/** How long a port that couldn't be opened is left alone: the bridge of an agent that has ended just now has it still. */
const againMs = 1_000

/** Speaks to the boards on all ports that there are, and knows each by its id. */
export class Bridge {
  readonly #ports: BridgePorts
  readonly #baudRate: number
  readonly #on: (event: BridgeEvent) => void
  readonly #boards = new Map<string, Board>()
  readonly #opened = new Map<string, Opened>()
  readonly #opening = new Set<string>()
  /** Why a port couldn't be opened, by its path: it is told when it is another reason. */
  readonly #failed = new Map<string, string>()
  #paths: readonly string[] = []
  readonly #stopWatching: () => void
  #cancelAgain: () => void = () => undefined
  #closed = false

  constructor(ports: BridgePorts, baudRate: number, on: (event: BridgeEvent) => void) {
    this.#ports = ports
    this.#baudRate = baudRate
    this.#on = on
    this.#stopWatching = ports.watch((paths) => this.#portsChanged(paths))
  }

  /** Every board that was seen, connected or not. */
  boards(): Board[] {
    return [...this.#boards.values()]
  }

  /** Throws `board-unknown`. */
  board(id: string): Board {
    const board = this.#boards.get(id)
    if (board === undefined) throw new HyphaError('board-unknown', `No board "${id}" has been seen`)
    return board
  }

  /** Every port that is open. */
  lines(): PortStatus[] {
    return [...this.#opened.values()].map(({ path, board, line, messenger }) => ({
      path,
      board: board?.id ?? null,
      counters: line.session.counters,
      malformed: messenger.malformed,
    }))
  }

  /** Has every line open anew: what boards said was told to nobody, and they say it again. [S 8.12] */
  reopen(): void {
    for (const { line, board } of this.#opened.values()) {
      if (board === null) continue
      line.session.end('closing', this.#ports.clock.monotonic())
      line.pump()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#stopWatching()
    this.#cancelAgain()
    await Promise.all([...this.#opened.values()].map((opened) => this.#drop(opened, 'the bridge is closing')))
  }

  #portsChanged(paths: readonly string[]): void {
    this.#paths = paths
    for (const path of this.#failed.keys()) if (!paths.includes(path)) this.#failed.delete(path)
    for (const opened of this.#opened.values()) {
      if (!paths.includes(opened.path)) void this.#drop(opened, 'its port has gone')
    }
    for (const path of paths) void this.#open(path)
  }

  async #open(path: string): Promise<void> {
    if (this.#closed || this.#opened.has(path) || this.#opening.has(path)) return
    this.#opening.add(path)
    let opened: Opened | null = null
    try {
      const port = await this.#ports.open(path, this.#baudRate, {
        onBytes: (bytes) => opened?.line.feed(bytes),
        onGone: (why) => {
          if (opened !== null) void this.#drop(opened, why)
        },
      })
      opened = this.#begin(path, port)
      this.#opened.set(path, opened)
      this.#failed.delete(path)
      this.#on({ kind: 'port', path, status: 'open', message: null })
      if (this.#closed) await this.#drop(opened, 'the bridge is closing')
    } catch (error) {
      if (!(error instanceof HyphaError)) throw error
      if (this.#failed.get(path) !== error.message) {
        this.#on({ kind: 'port', path, status: 'failed', message: error.message })
      }
      this.#failed.set(path, error.message)
      this.#tryAgain()
    } finally {
      this.#opening.delete(path)
    }
  }

  #tryAgain(): void {
    this.#cancelAgain()
    if (!this.#closed) this.#cancelAgain = this.#ports.clock.after(againMs, () => this.#portsChanged(this.#paths))
  }

  #begin(path: string, port: BytePort): Opened {
    const messenger = new Messenger({
      onMessage: (message) => this.#heard(opened, message),
      onOpened: (limits) => {
        opened.limits = limits
      },
      onClosed: (why) => this.#leave(opened, why),
    })
    const incarnation = () => 1 + (new DataView(this.#ports.crypto.random(4).buffer).getUint32(0) % 0xffff_fffe)
    const options = { limits: bridgeLimits, incarnation, baudRate: this.#baudRate, sender: { maxQueued: 256 } }
    const line = new Line(port, this.#ports.clock, options, (event) => messenger.heard(event))
    messenger.use(line.session)
    const opened: Opened = { path, port, line, messenger, board: null, was: null, limits: bridgeLimits }
    return opened
  }

  #heard(opened: Opened, message: FromBoard): void {
    if (message.kind === 'identify') {
      const known = this.#boards.get(message.board)
      if (known !== undefined && !bytesEqual(known.identify.key, message.key)) {
        this.#on({ kind: 'impostor', board: known, path: opened.path, sameKey: false })
        return
      }
      const board = known ?? new Board(message, this.#ports.clock)
      const isNew = opened.board !== board
      if (isNew) this.#take(opened, board)
      board.attach(message, isNew ? this.#wayOf(opened) : null)
      this.#on({ kind: isNew ? 'appeared' : 'identified', board })
      return
    }
    // [S 8.4]
    const { board, was } = opened
    if (was !== null) {
      opened.was = null
      if (was.path !== null) this.#on({ kind: 'impostor', board: was, path: opened.path, sameKey: true })
    }
    if (board?.heard(message) === true) this.#on({ kind: 'said', board, message })
  }

  /** A board is on this line now, and on no other. */
  #take(opened: Opened, board: Board): void {
    this.#leave(opened, 'another board is on its port')
    for (const other of this.#opened.values()) {
      if (other.board !== board) continue
      this.#leave(other, 'it is on another port')
      other.was = board
    }
    this.#boards.set(board.id, board)
    opened.board = board
    opened.was = null
  }

  #wayOf({ path, limits, messenger, line }: Opened): BoardWay {
    return {
      path,
      maxPayload: limits.maxPayload,
      window: limits.window,
      offer: (message) => {
        const taken = messenger.offer(message)
        line.pump()
        return taken
      },
    }
  }

  #leave(opened: Opened, why: string): void {
    const { board } = opened
    if (board === null) return
    opened.board = null
    board.detach()
    this.#on({ kind: 'left', board, why })
  }

  async #drop(opened: Opened, why: string): Promise<void> {
    if (this.#opened.get(opened.path) !== opened) return
    this.#opened.delete(opened.path)
    opened.line.stop()
    opened.messenger.stop()
    this.#leave(opened, why)
    this.#on({ kind: 'port', path: opened.path, status: 'gone', message: why })
    await opened.port.close()
    // The path may be there still, or again.
    if (!this.#closed && this.#paths.includes(opened.path)) this.#tryAgain()
  }
}
