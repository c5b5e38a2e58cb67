import type { StoredMessage } from '../store/ports/broker.ts'
import type { GrantsOf } from './access.ts'
import type { ClientIdentity } from './identity.ts'

/** What the gateway needs of an MQTT broker. */
export interface Broker {
  /** Throws `broker-not-listening`. */
  listen(): Promise<{ port: number }>
  close(): Promise<void>
  /**
   * Resolves when a retained message is durable (an empty payload clears its topic), and otherwise when it is handed to all that are subscribed, so that a
   * caller that waits is slowed to what they can take. Rules of access don't apply to the gateway itself. Throws `bytes-too-long`.
   */
  publish(topic: string, payload: Uint8Array, options?: { retain?: boolean; qos?: 0 | 1 }): Promise<void>
  /** The retained messages that match a filter. */
  retained(filter: string): Iterable<StoredMessage>
  /**
   * Called for each PUBLISH and each will from a client that passed the rules, in the order of arrival; the PUBACK waits for the promise. A handler that throws has the
   * connection ended without PUBACK, so that the client sends again: bytes that can't be understood must not throw. `payload` is valid
   * during the call; what is kept longer must be copied.
   */
  onMessage(handler: MessageHandler): void
  onClient(handler: (event: ClientEvent) => void): void
  /** Ends a client's connection. It may come back, unless `admits` says otherwise. */
  disconnect(clientId: string): void
  connected(): Iterable<ClientIdentity>
  /** Ends a client's connection and its session: nothing about it is left in the broker but its retained messages. */
  forget(clientId: string): Promise<void>
}

export type MessageHandler = (from: ClientIdentity, topic: string, payload: Uint8Array) => void | Promise<void>

export interface ClientEvent {
  readonly kind: 'connected' | 'disconnected'
  readonly client: ClientIdentity
}

/** Something that a client tried and may not. */
export interface Denial {
  /** Null before the client is known by its certificate. */
  readonly client: ClientIdentity | null
  readonly address: string
  readonly action: 'connect' | 'publish' | 'subscribe'
  /** The topic or filter; null for connections. */
  readonly topic: string | null
  readonly why: string
}

export interface BrokerLimits {
  /** A packet's bytes, all told. */
  readonly maxPacketBytes: number
  readonly maxSubscriptionsPerClient: number
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  /** From the first byte to the end of the TLS handshake, and again from there to CONNECT. */
  readonly handshakeTimeoutMs: number
  readonly connectTimeoutMs: number
  /** A client that takes nothing for so long is disconnected. */
  readonly drainTimeoutMs: number
  readonly sessionSeconds: number
  readonly maxRetained: number
  /** For each client that is away and has a persistent session. */
  readonly maxQueuedMessages: number
  readonly maxQueuedBytes: number
  /** QoS 2 messages of one client that it has not released. */
  readonly maxInflightQos2: number
}

export const defaultLimits: BrokerLimits = {
  // The most that a message of ours has, with room for the topic and the header.
  maxPacketBytes: 65_536 + 2_048,
  maxSubscriptionsPerClient: 256,
  maxConnections: 20_000,
  maxConnectionsPerAddress: 5_000,
  handshakeTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  drainTimeoutMs: 20_000,
  sessionSeconds: 3_600,
  maxRetained: 200_000,
  maxQueuedMessages: 1_000,
  maxQueuedBytes: 1_048_576,
  maxInflightQos2: 64,
}

export interface BrokerOptions {
  readonly fleet: string
  readonly host: string
  readonly port: number
  /** PEM: the server's key and chain, and the CA of the clients' certificates. */
  readonly tls: { readonly key: string; readonly certificate: string; readonly ca: string }
  /** What foreign clients may do. */
  readonly grantsOf: GrantsOf
  /** Asked at each connection: false for a node or client that was removed, or whose certificate was replaced; a string says why else it isn't let in. */
  readonly admits: (client: ClientIdentity) => boolean | string
  readonly onDenied: (denial: Denial) => void
  /** A client was away for so long that its oldest messages made room for newer ones. */
  readonly onDropped: (clientId: string, count: number) => void
  /** Failures of the store, of handlers, and of connections. */
  readonly onError: (error: unknown, clientId: string | null) => void
  readonly now?: () => number
  readonly limits?: Partial<BrokerLimits>
}
