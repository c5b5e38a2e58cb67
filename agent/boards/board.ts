import { bytesEqual } from '@hypha/core/bytes/text.ts'
import type { Log } from '@hypha/core/platform/log.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Section } from '@hypha/core/trust/directive.ts'
import type { FromBridge } from '@hypha/core/wire/board/agent-port.ts'
import type { BoardFirmware } from '@hypha/core/wire/board/firmware.ts'
import type { Identify } from '@hypha/core/wire/board/identify.ts'
import type { FromBoard } from '@hypha/core/wire/board/messages.ts'
import type { BoardState } from '@hypha/core/wire/board/state.ts'
import type { FromChild, ToChild } from '@hypha/core/wire/messages/child.ts'
import { report } from '@hypha/core/wire/messages/report.ts'
import type { ChildState } from '@hypha/core/wire/messages/state.ts'
import { BoardInputs } from './board-inputs.ts'
import { BoardJournal } from './board-journal.ts'
import { BoardReceipts } from './board-receipts.ts'
import { BoardShipper } from './board-shipper.ts'
import { childOf } from './child.ts'
import { imageFor, withFirmware } from './firmware.ts'
import { Keeper } from './keeper.ts'
import type { BoardPorts } from './ports.ts'
import type { Requests } from './requests.ts'

type Note = Omit<Extract<FromChild['word'], { kind: 'note' }>, 'kind'>
/** That wait for a connection. */
const maxNotes = 8

type Appeared = Extract<FromBridge, { kind: 'appeared' }>

/** How long a board may take to say that it refuses a step. */
const refusalMs = 500

/** A board as this node knows it, with what it is to be brought and what it has reported. */
export class Board {
  readonly keeper: Keeper
  readonly #ports: BoardPorts
  readonly #requests: Requests
  readonly #log: Log
  readonly #journal: BoardJournal
  readonly #shipper: BoardShipper
  readonly #inputs: BoardInputs
  readonly #receipts: BoardReceipts
  #identify: Identify
  #messageBytes: number
  #state: BoardState | null = null
  #firmware: BoardFirmware | null = null
  #connected = true
  /** The highest number of its journal that it has been told is durable here. */
  #acknowledged = 0
  /** The highest that its journal had when it last said so. */
  #counted = 0
  #notes: Note[] = []
  #refusedStep: ((code: string) => void) | null = null

  constructor({ identify, messageBytes }: Appeared, ports: BoardPorts, requests: Requests, clock: Clock, log: Log) {
    const id = identify.board
    this.#identify = identify
    this.#messageBytes = messageBytes
    this.#inputs = new BoardInputs(
      {
        board: id,
        clock,
        give: async (inputs) => {
          this.#receipts.gave(inputs)
          const done = await requests.askFor({ kind: 'inputs', board: id, inputs })
          this.#receipts.notTaken(inputs.slice(done.detail ?? 0))
          return done
        },
        refuse: ({ app, module, home, number }, text) =>
          this.#note({ code: 'input-too-large', text, refused: { app, module, home, number } }),
      },
      messageBytes,
    )
    this.#ports = ports
    this.#requests = requests
    this.#log = log
    this.#journal = new BoardJournal(ports.files, `boards/${id}`)
    this.#shipper = new BoardShipper(this.#journal, clock, ports.isOnline, ({ incarnation, body, mac }) =>
      ports.say({ node: id, incarnation, word: { kind: 'report', body, mac } }),
    )
    this.#receipts = new BoardReceipts({
      board: id,
      clock,
      now: ports.gatewayTime,
      orderOf: (app, epoch) => this.keeper.orderOf(app, epoch),
      sign: ports.attest,
    })
    this.keeper = new Keeper({
      board: id,
      clock,
      crypto: ports.crypto,
      transfer: (what) => requests.ask({ kind: 'transfer', board: id, ...what }),
      activate: (step, section) => this.#step(step, section, clock),
      imageOf: (envelope, section) => imageFor(envelope, section, this.#identify.hardware, this.#firmware),
      receive: ports.receive,
      judge: ports.judge,
      at: ports.at,
      changed: ports.changed,
    })
    this.#shipper.pump()
  }

  get identify(): Identify {
    return this.#identify
  }

  get connected(): boolean {
    return this.#connected
  }

  child(): ChildState {
    const state = this.#state && withFirmware(this.#state, this.#firmware)
    return {
      ...childOf(this.#identify, state, this.#connected, this.keeper, this.#firmware !== null),
      messageBytes: this.#messageBytes,
    }
  }

  /** It has identified itself: anew, or on another line. */
  appeared({ identify, messageBytes }: Appeared): void {
    if (!bytesEqual(identify.incarnation, this.#identify.incarnation)) this.#startedAnew()
    this.#identify = identify
    this.#messageBytes = messageBytes
    this.#connected = true
    this.#inputs.appeared(messageBytes)
  }

  /** Another one at this node says that it is this one. */
  impostor({ path, sameKey }: Extract<FromBridge, { kind: 'impostor' }>): void {
    const { board } = this.#identify
    const text = sameKey
      ? `Two boards are ${board}, with one key: the flash of one is a copy. The one that came last counts, that at ${path} is passed over: build its firmware with an id of its own (hypha mcu build --id), and erase its flash.`
      : `A board at ${path} says that it is ${board}, and has another key: it is refused. Build its firmware with another id (hypha mcu build --id).`
    this.#note({ code: sameKey ? 'cloned-identity' : 'board-refused', text, refused: null })
  }

  left(): void {
    this.#connected = false
    this.#inputs.left()
    this.keeper.heard(null)
  }

  /** What it has said, but for answers to calls. */
  said(message: FromBoard): void {
    switch (message.kind) {
      case 'state':
        this.#state = message
        this.#counted = this.#acknowledged + message.waiting
        this.#inputs.heard(message)
        this.#receipts.heard(message, this.#identify.incarnation)
        this.keeper.heard(withFirmware(message, this.#firmware))
        return
      case 'firmware':
        this.#firmware = message
        if (this.#state !== null) this.keeper.heard(withFirmware(this.#state, message))
        return
      case 'report':
        this.#keep(message.body, message.mac)
        return
      case 'session': {
        const { incarnation } = this.#identify
        this.#ports.say({ node: this.#identify.board, incarnation, word: message })
        return
      }
      case 'refused':
        if (message.of === 'activation') this.#refusedStep?.(message.code)
    }
  }

  /** What the gateway says to it. */
  word(word: ToChild['word']): void {
    const { board } = this.#identify
    switch (word.kind) {
      case 'ack':
        this.#shipper.stored(word.incarnation, word.upTo)
        return
      case 'session':
        void this.#requests.ask({ kind: 'tell', board, message: { kind: 'session', key: word.key, proof: null } })
        return
      case 'inputs':
        this.#inputs.add(word.inputs)
    }
  }

  /** The link to the gateway is back. */
  online(): void {
    for (const note of this.#notes.splice(0)) this.#note(note)
    this.#shipper.again()
  }

  async close(): Promise<void> {
    this.keeper.close()
    this.#inputs.close()
    this.#receipts.close()
    this.#shipper.close()
    await this.#journal.close()
  }

  /** What it keeps to report is in its RAM, and gone with it. */
  #startedAnew(): void {
    const { board, incarnation } = this.#identify
    const last = this.#journal.newest
    const durable = last !== null && bytesEqual(last.incarnation, incarnation) ? last.upTo : 0
    const lost = this.#counted - durable
    this.#counted = this.#acknowledged = 0
    if (lost <= 0) return
    const text = `${board} started anew before it had reported all that it kept: ${lost} entries of its journal, or some more, are lost`
    this.#note({ code: 'gap', text, refused: null })
  }

  #note(note: Note): void {
    if (!this.#ports.isOnline()) {
      this.#notes = [...this.#notes, note].slice(-maxNotes)
      return
    }
    const { board: node, incarnation } = this.#identify
    this.#ports.say({ node, incarnation, word: { kind: 'note', ...note } })
  }

  /** A report without a MAC is one of before its session: the board gives it again once it has one. [S 8.13] */
  #keep(body: Uint8Array, mac: Uint8Array | null): void {
    if (mac === null) return
    this.#journal.add(body, mac).then(
      (kept) => {
        if (!kept) return
        this.#receipts.reported(report.decode(body), body, mac)
        this.#shipper.pump()
        this.#acknowledge()
      },
      (thrown: unknown) =>
        this.#log.warn(`What ${this.#identify.board} reports can't be kept`, { why: (thrown as Error).message }),
    )
  }

  #acknowledge(): void {
    const last = this.#journal.newest
    if (last === null) return
    const { incarnation, upTo } = last
    const message = { kind: 'ack', incarnation, upTo, anew: null } as const
    void this.#requests.ask({ kind: 'tell', board: this.#identify.board, message }).then((code) => {
      if (code === null && bytesEqual(incarnation, this.#identify.incarnation)) this.#acknowledged = upTo
    })
  }

  /** Resolves with the code that the board refuses the step with; with null where it has taken it, which its state shows. */
  async #step(step: 'activate' | 'confirm', section: Section, clock: Clock): Promise<string | null> {
    const { app, epoch, release } = section
    const { promise, resolve } = Promise.withResolvers<string | null>()
    this.#refusedStep = resolve
    if (step === 'activate') this.#receipts.activating()
    const message = { kind: 'activation', step, app, epoch, release } as const
    const code = await this.#requests.ask({ kind: 'tell', board: this.#identify.board, message })
    if (code !== null) return code
    clock.after(refusalMs, () => resolve(null))
    return promise
  }
}
