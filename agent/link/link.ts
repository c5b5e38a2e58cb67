import type { HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'

export type LinkState = 'online' | 'offline'
export type LinkHandler = (topic: string, payload: Uint8Array) => void

/** A node's connection to its broker: it comes back by itself, and keeps nothing for a time when it is gone. */
export interface Link {
  /** Online once the broker has taken the subscriptions and the node's presence. */
  readonly state: LinkState
  /** Whether it is connected, connecting, or about to: it never isn't, unless for a defect, and then whoever watches over the process should know. */
  readonly alive: boolean
  /** Called at each change; the result ends it. */
  onState(listener: (state: LinkState) => void): () => void
  /**
   * With QoS 1 it resolves when the broker has acknowledged, with QoS 0 when the bytes are handed to the socket. Rejects with `link-offline` when there is no
   * connection or it is cut before that (the message may have arrived all the same), with `link-busy` when too many are outstanding.
   */
  publish(topic: string, payload: Uint8Array, options: { qos: 0 | 1; retain?: boolean }): Promise<void>
  /** Holds across connections. The result ends it. A filter that the broker refuses reaches `onError` as `link-denied`. */
  subscribe(filter: string, handler: LinkHandler): () => void
  /** Connects anew, with another certificate for the same key, by the CA and where the broker is now. */
  renew(renewed: Pick<LinkOptions, 'ca' | 'certificate' | 'host' | 'port'>): void
  /** Says goodbye in the node's presence, and ends for good. */
  close(): Promise<void>
}

export interface LinkTiming {
  /** The first wait after a cut is at most this long, then twice as long at most each time. */
  readonly firstBackoffMs: number
  readonly maxBackoffMs: number
  /** A connection that held so long was good: the waits begin anew. */
  readonly stableMs: number
  readonly connectTimeoutMs: number
  /** The broker is asked for a sign of life so often; without one the connection counts as cut. */
  readonly keepaliveSeconds: number
  readonly goodbyeMs: number
}

export const defaultTiming: LinkTiming = {
  firstBackoffMs: 500,
  maxBackoffMs: 60_000,
  stableMs: 10_000,
  connectTimeoutMs: 15_000,
  keepaliveSeconds: 30,
  goodbyeMs: 2_000,
}

export interface LinkOptions {
  readonly fleet: string
  readonly node: string
  readonly host: string
  readonly port: number
  /** A Unix socket through which the broker is reached; it proves itself by its host's name all the same. */
  readonly path?: string | undefined
  /** PEM: the fleet's CA (null where no broker is to be believed), the node's certificate, and its Ed25519 key. */
  readonly ca: string | null
  readonly certificate: string
  readonly key: string
  /** A number above all earlier ones of this node, also of earlier runs: the caller has written it down when it returns. */
  readonly nextConnection: () => number
  /** 8 random bytes of this process, by which the gateway notices a second machine with the same keys. */
  readonly run?: Uint8Array
  /** How far the journal reaches, all of it durable, by which the gateway notices a disk that was set back. */
  readonly journal?: () => { readonly incarnation: Uint8Array; readonly upTo: number }
  readonly clock: Pick<Clock, 'after'>
  /** From 0 (inclusive) to 1. */
  readonly random: () => number
  /** What goes wrong, in words; the same thing again and again only once. */
  readonly onError: (error: HyphaError) => void
  /** After each TLS handshake: whether it resumed the session of a former connection. */
  readonly onSecure?: (resumed: boolean) => void
  /** Messages that may await their acknowledgement. */
  readonly maxInFlight?: number
  readonly timing?: Partial<LinkTiming>
}

export const defaultMaxInFlight = 256
