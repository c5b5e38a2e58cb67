import type { TLSSocket } from 'node:tls'
import type { StoredMessage } from '../store/ports/broker.ts'
import type { GrantsOf } from './access.ts'
import type { Rate } from './bucket.ts'
import type { FrontDoorLimits } from './front-door.ts'
import type { ClientIdentity } from './identity.ts'
import type { PacketLimits } from './packet-limit.ts'
import type { TicketKeys } from './ticket-keys.ts'
import type { TlsFiles } from './tls-listener.ts'

/** What the gateway needs of an MQTT broker. */
export interface Broker {
  /** Throws `broker-not-listening`. */
  listen(): Promise<{ port: number }>
  /** Shows another certificate from now on; connections that are there go on. */
  use(tls: TlsFiles): void
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
  /** `reads`: it was granted a subscription. */
  readonly kind: 'connected' | 'reads' | 'disconnected'
  /** The same object for all that is told of one connection. */
  readonly client: ClientIdentity
  /** The payload of the will that came with CONNECT; null without one. */
  readonly will: Uint8Array | null
}

/** Something that a client tried and may not. */
export interface Denial {
  /** Null before the client is known by its certificate. */
  readonly client: ClientIdentity | null
  readonly address: string
  readonly action: 'connect' | 'publish' | 'subscribe' | 'flood'
  /** The topic or filter, cut short; null for connections. */
  readonly topic: string | null
  readonly why: string
  /** How many of the same client or address went before it and were not reported, because there were too many. */
  readonly more: number
}

/** All that a client may take of the broker; every one an option. */
export interface BrokerLimits extends FrontDoorLimits, PacketLimits {
  readonly maxSubscriptionsPerClient: number
  /** From the end of the TLS handshake to CONNECT. */
  readonly connectTimeoutMs: number
  /** CONNECTs of one client: a certificate may be copied, and an agent may be broken. */
  readonly connectRatePerClient: Rate
  /** A client that asks for a longer keepalive, or none, gets this: after one and a half times as long without a word it is disconnected [MQTT-3.1.2-24]. */
  readonly maxKeepaliveSeconds: number
  /** A client that takes nothing for so long is disconnected. */
  readonly drainTimeoutMs: number
  readonly sessionSeconds: number
  /** Of topics and filters. */
  readonly maxTopicBytes: number
  readonly maxTopicLevels: number
  /** A will's payload. */
  readonly maxWillBytes: number
  /** In all; the gateway's own don't count as anybody's, and are never refused. */
  readonly maxRetained: number
  readonly maxRetainedPerClient: number
  readonly maxRetainedBytesPerClient: number
  /** For each client that is away and has a persistent session. */
  readonly maxQueuedMessages: number
  readonly maxQueuedBytes: number
  /** QoS 2 messages of one client that it has not released. */
  readonly maxInflightQos2: number
}

const maxConnections = 20_000

export const defaultLimits: BrokerLimits = {
  // The most that a message of ours has, with room for the topic and the header.
  maxPacketBytes: 65_536 + 2_048,
  // A node that empties its journal after weeks is held back to this.
  packetRate: { perSecond: 2_000, burst: 4_000 },
  byteRate: { perSecond: 4 * 1_048_576, burst: 16 * 1_048_576 },
  maxThrottledMs: 300_000,
  packetsPerTurn: 32,
  maxSubscriptionsPerClient: 256,
  maxConnections,
  // A whole fleet may stand behind one router.
  maxConnectionsPerAddress: maxConnections / 2,
  connectionRatePerAddress: { perSecond: 500, burst: 5_000 },
  maxSilent: 2_000,
  helloTimeoutMs: 5_000,
  maxHandshakes: 64,
  maxHandshakesPerAddress: 48,
  handshakesPerTurn: 4,
  handshakeGraceMs: 1_000,
  handshakeTimeoutMs: 10_000,
  // About two seconds' work: an agent waits for fifteen.
  maxWaiting: 2_048,
  connectTimeoutMs: 10_000,
  connectRatePerClient: { perSecond: 1, burst: 60 },
  maxKeepaliveSeconds: 1_200,
  drainTimeoutMs: 20_000,
  sessionSeconds: 7 * 86_400,
  maxTopicBytes: 512,
  maxTopicLevels: 16,
  maxWillBytes: 256,
  maxRetained: 200_000,
  maxRetainedPerClient: 1_000,
  maxRetainedBytesPerClient: 4 * 1_048_576,
  maxQueuedMessages: 1_000,
  maxQueuedBytes: 1_048_576,
  maxInflightQos2: 64,
}

export interface BrokerOptions {
  readonly fleet: string
  readonly host: string
  readonly port: number
  readonly tls: TlsFiles
  /** By which TLS sessions are resumed; keys that end with the process if left out. */
  readonly ticketKeys?: TicketKeys
  /** Connections that ask for another protocol than MQTT (ALPN), and who takes them. Their certificate is verified; whose it is is theirs to judge. */
  readonly other?: { readonly protocol: string; readonly onConnection: (socket: TLSSocket) => void }
  /** What foreign clients may do. */
  readonly grantsOf: GrantsOf
  /** Asked at each connection: false for a node or client that was removed, or whose certificate was replaced; a string says why else it isn't let in. */
  readonly admits: (client: ClientIdentity) => boolean | string
  /** Whether a node may subscribe to the chunks of a transfer (lower-case hex): its directive lists it. Every transfer, if left out. [P 7.5] */
  readonly mayReceive?: (node: string, digestHex: string) => boolean
  readonly onDenied: (denial: Denial) => void
  /** A client was away for so long that its oldest messages made room for newer ones. */
  readonly onDropped: (clientId: string, count: number) => void
  /** Failures of the store, of handlers, and of connections. */
  readonly onError: (error: unknown, clientId: string | null) => void
  readonly now?: () => number
  readonly limits?: Partial<BrokerLimits>
}
