import type { Limits, LinkHint } from '@hypha/core/trust/release.ts'
import type { World } from '@hypha/core/wasm/types.ts'
import type { LogLevel } from '@hypha/core/wire/messages/report.ts'

// The words that the agent's stages share. A stage imports these and no other stage.

/** Names one instance on a node. */
export interface InstanceKey {
  readonly app: string
  readonly module: string
  /** The device that it belongs to; null for a shared one. */
  readonly home: string | null
}

/** An instance that this node is not to run any more. */
export interface LeavingInstance extends InstanceKey {
  /** By which it was to come here, as the directive said; 0 where none brought it. */
  readonly move: number
}

/** Numbers of one source rise; each instance handles each id once. */
export interface InputId {
  /** 8 random bytes: of the gateway's queue, or of this node's journal for what its own modules publish. */
  readonly source: Uint8Array
  readonly number: number
}

/** What an inbox is given. */
export interface InboxInput {
  readonly id: InputId
  readonly topic: string
  readonly payload: Uint8Array
  /** The device of the instance that published it, to which the turn belongs; absent or null for none. */
  readonly publisher?: string | null
}

/** What one turn leaves behind: written as one journal record when it returns, or not at all. */
export interface TurnRecord {
  readonly instance: InstanceKey
  readonly epoch: number
  /** Null for a turn that no input caused: a tick, a start. */
  readonly input: InputId | null
  readonly outcome: 'ok' | 'failed'
  readonly samples: readonly { readonly metric: string; readonly value: number; readonly atMs: number }[]
  readonly logs: readonly { readonly level: LogLevel; readonly text: string; readonly atMs: number }[]
  readonly messages: readonly { readonly topic: string; readonly payload: Uint8Array; readonly atMs: number }[]
  /** In order; a null value deletes the key. */
  readonly kv: readonly { readonly key: string; readonly value: Uint8Array | null }[]
  /** A checkpoint of the instance's `save()`, where one was due. */
  readonly state: { readonly release: string; readonly bytes: Uint8Array } | null
}

/** Something that happened on the node, for its operator. */
export interface NodeEvent {
  readonly instance: InstanceKey | { readonly app: string; readonly module: null; readonly home: null } | null
  /** A word such as "trapped", "throttled", "reverted". */
  readonly code: string
  readonly text: string
}

/** A verified module, ready to be run. */
export interface RunnableModule {
  readonly name: string
  readonly form: 'core' | 'component'
  readonly bytes: Uint8Array
  /** SHA-256 of `bytes` in hex. */
  readonly digest: string
  readonly world: World
  readonly limits: Limits
  readonly timerMs: number | null
  readonly subscribe: readonly string[]
  readonly publish: readonly string[]
  readonly httpHosts: readonly string[]
  readonly isolate: boolean
  /** What its author knows of its links; absent or null for nothing. */
  readonly links?: readonly LinkHint[] | null
}

/** One instance as its directive wants it. */
export interface RunnableInstance {
  readonly module: string
  readonly home: string | null
  /** By interface name, as the module imports it. */
  readonly links: ReadonlyMap<
    string,
    | { readonly kind: 'host' }
    | { readonly kind: 'instance'; readonly node: string; readonly module: string; readonly home: string | null }
    | { readonly kind: 'device'; readonly module: string }
  >
  readonly config: Readonly<Record<string, string>>
}

/** One app's part of a directive with everything that it needs, verified. */
export interface RunnableSection {
  readonly app: string
  readonly epoch: number
  /** Digest of the release in hex, and its number. */
  readonly release: string
  readonly releaseNumber: number
  readonly modules: ReadonlyMap<string, RunnableModule>
  readonly instances: readonly RunnableInstance[]
  /** All modules of the release that have a cell of their own, wherever they run; absent for none. */
  readonly isolated?: ReadonlySet<string>
  /** Its instances that run only under a lease; absent for none. */
  readonly leased?: readonly { readonly module: string; readonly home: string | null }[]
}
