import type { InputTarget } from '../store/inputs.ts'
import type { EventRecord, LogRecord } from '../store/records.ts'
import type { CachedJournal } from './series-cache.ts'

/** The newest value of a metric of an instance. */
export interface NewValue {
  readonly app: string
  readonly module: string
  readonly home: string | null
  readonly metric: string
  /** The node that ran the instance. */
  readonly node: string
  readonly at: number
  readonly value: number
}

/** What a module published. */
export interface NewMessage {
  readonly app: string
  readonly module: string
  readonly home: string | null
  /** The node that ran the module. */
  readonly node: string
  /** To whom it has given the message itself; null where it doesn't say: to those that it has. */
  readonly served: readonly { readonly module: string; readonly home: string | null }[] | null
  /** Relative to the app. */
  readonly topic: string
  readonly payload: Uint8Array
  readonly at: number
}

export interface HandledInput extends InputTarget {
  readonly number: number
  readonly outcome: 'ok' | 'failed'
}

/** What a transaction will have stored once it is committed: told to the rest of the gateway only then. */
export interface Outcome {
  /** By metric of an instance: the object that its series share. */
  readonly values: Map<object, NewValue>
  readonly messages: NewMessage[]
  readonly events: EventRecord[]
  readonly logs: LogRecord[]
  readonly handled: HandledInput[]
  /** Nodes for which inputs were queued. */
  readonly queuedFor: Set<string>
  /** Journals to be acknowledged up to their mark. */
  readonly acknowledge: Set<CachedJournal>
  samples: number
}

export const emptyOutcome = (): Outcome => ({
  values: new Map(),
  messages: [],
  events: [],
  logs: [],
  handled: [],
  queuedFor: new Set(),
  acknowledge: new Set(),
  samples: 0,
})
