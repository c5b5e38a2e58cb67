import type { ErrorJson, HyphaError } from '@hypha/core/errors.ts'
import type { FromWorker, ToWorker } from './protocol.ts'

export type Turn = Extract<ToWorker, { kind: 'turn' }>

/** What answers an `ask`: a lifted value, or why there is none. */
export type AskAnswer = { readonly value: unknown } | { readonly error: ErrorJson }

export interface TransportEvents {
  message(message: FromWorker): void
  /** The other side has ended, or broke the rules; called once. */
  died(error: HyphaError): void
}

/** How the agent reaches one cell's program: a thread of its own process, or a process apart. */
export interface CellTransport {
  /** Called once, before anything is sent. */
  listen(events: TransportEvents): void
  send(message: Exclude<ToWorker, Turn>): void
  /** `first` is done before the turn begins, perhaps while it is under way to the other side. Where it answers false the turn is answered with `skipped` instead. */
  sendTurn(turn: Turn, first: () => boolean): void
  answer(answer: AskAnswer): void
  /** Whether a turn is known to have ended although its answer has not come yet. */
  hasEnded(turn: number): boolean
  /** The index of the instance whose code runs now; null where it isn't known. */
  inside(): number | null
  /** Ends the other side, whatever it does, also where it is blocked or loops without end. */
  end(): Promise<void>
}
