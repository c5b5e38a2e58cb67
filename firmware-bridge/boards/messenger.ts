import { HyphaError } from '@hypha/core/errors.ts'
import { type FromBoard, fromBoard, type ToBoard, toBoard } from '@hypha/core/wire/board/messages.ts'
import { type Channel, channels } from '../frames/frame.ts'
import type { Limits } from '../frames/hello.ts'
import type { Session, SessionEvent } from '../session/session.ts'
import { channelOf } from './channels.ts'

/** What the messages of one line are handed to. */
export interface MessengerEvents {
  onMessage(message: FromBoard): void
  onOpened(limits: Limits): void
  onClosed(why: string): void
}

/** Messages of a channel that wait for the board: beyond it, who sends has to wait. */
const maxWaiting = 128

type Settle = (taken: boolean) => void

/** Messages over a session: encoded, decoded, and each answered with whether the board took it. */
export class Messenger {
  readonly #events: MessengerEvents
  readonly #waiting: Record<Channel, Settle[]> = { control: [], update: [], telemetry: [], inputs: [] }
  /** Messages that couldn't be read. [S 8.2] */
  malformed = 0
  #session: Session | null = null

  constructor(events: MessengerEvents) {
    this.#events = events
  }

  /** The session whose events it hears. */
  use(session: Session): void {
    this.#session = session
  }

  /** Resolves with true once the board has taken the message, with false if the line closes before. Throws at once `bytes-too-long`, `board-busy` and `board-away`. */
  offer(message: ToBoard): Promise<boolean> {
    const channel = channelOf[message.kind]
    const waiting = this.#waiting[channel]
    const said = waiting.length >= maxWaiting ? 'queue-full' : this.#session?.offer(channel, toBoard.encode(message))
    if (said === 'offered') {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      waiting.push(resolve)
      return promise
    }
    if (said === 'too-long') {
      throw new HyphaError('bytes-too-long', `A message (${message.kind}) is longer than the board takes`)
    }
    if (said === 'queue-full') {
      throw new HyphaError('board-busy', `${waiting.length} messages wait for the board already`)
    }
    throw new HyphaError('board-away', 'The line to the board is closed')
  }

  /** What happens on the session. */
  heard(event: SessionEvent): void {
    switch (event.kind) {
      case 'opened':
        this.#events.onOpened(event.agreed.limits)
        return
      case 'done':
        for (const settle of this.#waiting[event.channel].splice(0, event.count)) settle(true)
        return
      case 'payload':
        this.#session?.taken(event.channel)
        this.#read(event.payload)
        return
      case 'closed':
        this.stop()
        this.#events.onClosed(event.why)
    }
  }

  /** Nothing that waits will be taken any more. */
  stop(): void {
    for (const channel of channels) for (const settle of this.#waiting[channel].splice(0)) settle(false)
  }

  #read(payload: Uint8Array): void {
    let message: FromBoard
    try {
      message = fromBoard.decode(payload)
    } catch (error) {
      if (!(error instanceof HyphaError)) throw error
      this.malformed++
      return
    }
    this.#events.onMessage(message)
  }
}
