import type { ErrorJson } from '@hypha/core/errors.ts'
import type { Limits, LinkHint } from '@hypha/core/trust/release.ts'
import type { World } from '@hypha/core/wasm/types.ts'
import type { LogLevel } from '@hypha/core/wire/messages/report.ts'
import type { HostRequest } from '../host/host.ts'
import type { CallOutcome } from '../linked-calls.ts'
import type { InstanceKey } from '../turns.ts'

// What the agent's own thread and a cell's worker say to each other, by structured clone (between processes, as V8 serialises it). A cell does one thing at a time: each message to
// the worker has exactly one answer, except that requests to the host (`ask`) may come before it.

/** One module of a cell: its verified bytes and what it is held to. */
export interface CellModule {
  readonly name: string
  readonly form: 'core' | 'component'
  readonly bytes: Uint8Array
  /** What the component's process made of it before its worker loads it; absent for a core form. */
  readonly transpiled?: Transpiled
  readonly world: World
  readonly limits: Limits
  readonly publish: readonly string[]
}

/** A component as jco takes it apart. */
export interface Transpiled {
  /** The body of a function that returns jco's `instantiate`. */
  readonly source: string
  /** Its core modules by the names that the source has for them. Those that own a memory have their share as its maximum. */
  readonly cores: ReadonlyMap<string, { readonly bytes: Uint8Array; readonly ownsMemory: boolean }>
}

/** One instance of a cell. Others are named by their index in the cell. */
export interface CellInstance {
  readonly key: InstanceKey
  /** Index into the cell's modules. */
  readonly module: number
  /** Who serves each import. What isn't listed isn't there. */
  readonly links: ReadonlyMap<string, CellLink>
  readonly config: ReadonlyMap<string, string>
}

/** Who serves an import. */
export type CellLink =
  | 'host'
  /** An instance of the same cell, which exports it under the name `as`: a direct call. */
  | { readonly kind: 'cell'; readonly instance: number; readonly as: string }
  /** Calls go through the agent, unless they are for a device whose instance is in this very cell. */
  | {
      readonly kind: 'message'
      /** By home. */
      readonly here: ReadonlyMap<string, number>
      readonly as: string
      readonly policy: LinkHint['policy']
    }

/** A call that leaves its cell. */
export interface LinkRequest {
  /** Index of the caller. */
  readonly instance: number
  readonly interface: string
  readonly func: string
  readonly args: Uint8Array
  /** The device that the turn belongs to, or the one that the module chose. */
  readonly home: string | null
  /** The turn, the instance that it began at, and the number of the request within it: equal where the turn is tried again. */
  readonly key: string
}

/** What an instance remembers from earlier lives. */
export interface Remembered {
  readonly kv: ReadonlyMap<string, Uint8Array>
}

/** What an instance's `save` gave. */
export interface SavedState {
  readonly instance: number
  /** Digest of the release that saved it, in hex. */
  readonly release: string
  readonly state: Uint8Array
}

/** Which export a turn runs. */
export type TurnCall =
  | { readonly kind: 'tick'; readonly nowMs: number }
  | { readonly kind: 'deliver'; readonly topic: string; readonly payload: Uint8Array }
  | { readonly kind: 'stop' }
  | { readonly kind: 'save' }
  | { readonly kind: 'call'; readonly interface: string; readonly func: string; readonly args: Uint8Array }

export type ToWorker =
  /** Compile the modules, and try that they can be instantiated. */
  | { readonly kind: 'load'; readonly modules: readonly CellModule[]; readonly instances: readonly CellInstance[] }
  /** Restore these in instances that are thrown away, and make fresh ones that stand ready. */
  | { readonly kind: 'rehearse'; readonly states: readonly SavedState[] }
  /** Make the instances that run, give them back their state, and start them: all in one message, since inputs may wait for it. */
  | {
      readonly kind: 'open'
      readonly remembered: readonly Remembered[]
      readonly states: readonly SavedState[]
      /** Those that are told to start, in this order. */
      readonly starts: readonly number[]
      /** Names what is done here for whoever acts at once. */
      readonly key: string
    }
  | {
      readonly kind: 'turn'
      /** Rises; written to shared memory when the turn has ended. */
      readonly number: number
      readonly instance: number
      readonly call: TurnCall
      /** Names the turn for whoever acts at once: the same again when an input is tried again. */
      readonly key: string
      /** The device that it belongs to; null for none. */
      readonly home: string | null
      /** Also `save()` each instance that was called since its last one. */
      readonly checkpoint: boolean
    }

/** What a turn left behind at one instance. */
export interface InstanceEffects {
  readonly instance: number
  readonly samples: readonly { readonly metric: string; readonly value: number; readonly atMs: number }[]
  readonly logs: readonly { readonly level: LogLevel; readonly text: string; readonly atMs: number }[]
  readonly messages: readonly { readonly topic: string; readonly payload: Uint8Array; readonly atMs: number }[]
  readonly kv: readonly { readonly key: string; readonly value: Uint8Array | null }[]
  readonly state: Uint8Array | null
  /** How many were refused because the instance is over its rates. */
  readonly throttled: { readonly samples: number; readonly messages: number; readonly logs: number }
}

export interface LoadedInstance {
  readonly compileMs: number
  readonly instantiateMs: number
  /** Names of the interfaces that it exports. */
  readonly exports: readonly string[]
}

export type FromWorker =
  | { readonly kind: 'booted' }
  | { readonly kind: 'loaded'; readonly instances: readonly LoadedInstance[] }
  /** The turn, or the making of the instances, is done. */
  | {
      readonly kind: 'done'
      readonly effects: readonly InstanceEffects[]
      /** Of a call: what it returns. */
      readonly outcome?: CallOutcome
    }
  /** How long `restore` took; null where it asked for what isn't answered in a rehearsal. */
  | { readonly kind: 'rehearsed'; readonly restoreMs: number | null }
  /** `restore` answered with an error: the module refuses the state. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The module's fault: its memory is not trusted any more. Lines that it wrote are kept. */
  | { readonly kind: 'trapped'; readonly text: string; readonly effects: readonly InstanceEffects[] }
  /** The turn was not to be done after all. */
  | { readonly kind: 'skipped' }
  /** The modules can't be loaded. */
  | { readonly kind: 'failed'; readonly error: ErrorJson }
  | ({ readonly kind: 'ask'; readonly instance: number } & HostRequest)
  /** The answer is a `CallOutcome`. */
  | ({ readonly kind: 'link' } & LinkRequest)

/** What the worker is started with. */
export interface WorkerStart {
  /** Int32, by the indices below. */
  readonly control: SharedArrayBuffer
}

/** Rises with each answer to an `ask`. */
export const answeredAt = 0
/** The number of the last turn that has ended. */
export const endedAt = 1
/** The instance whose code runs, by its index and one more; 0 for none. */
export const insideAt = 2
/** The number of the turn that waits for the agent's word before it begins; `go` or `skip` once that is given. */
export const heldAt = 3
export const go = 0
export const skip = -1
/** Rises with each message to the worker. */
export const sentAt = 4
export const controlBytes = 20
