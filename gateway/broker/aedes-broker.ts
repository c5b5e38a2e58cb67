import type { TLSSocket } from 'node:tls'
import { HyphaError } from '@hypha/core/errors.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { Aedes, type Client } from 'aedes'
import type { BrokerStore, StoredMessage } from '../store/ports/broker.ts'
import { mayLeaveWill } from './access.ts'
import { addressGroup } from './address.ts'
import {
  type Broker,
  type BrokerLimits,
  type BrokerOptions,
  type ClientEvent,
  type Denial,
  defaultLimits,
  type MessageHandler,
} from './broker.ts'
import { ReportLimiter } from './denials.ts'
import { Fanout } from './fanout.ts'
import { Gatekeeper, unacceptableVersion } from './gatekeeper.ts'
import type { ClientIdentity } from './identity.ts'
import { limitPackets } from './packet-limit.ts'
import { BrokerPersistence } from './persistence.ts'
import { ticketKeysInMemory } from './ticket-keys.ts'
import { createTlsListener, type TlsFiles, type TlsListener } from './tls-listener.ts'

/** The broker that the gateway embeds: aedes behind TLS with client certificates. `store` is read at once and written as long as it runs. */
export async function createBroker(options: BrokerOptions, store: BrokerStore): Promise<Broker> {
  const broker = new AedesBroker(options, store)
  await broker.start()
  return broker
}

/** Bytes of a PUBLISH besides topic and payload, at most: header, length, topic's length, message id. */
const publishOverhead = 9

class AedesBroker implements Broker {
  readonly #options: BrokerOptions
  readonly #limits: BrokerLimits
  readonly #now: () => number
  readonly #reports: ReportLimiter
  readonly #errorReports: ReportLimiter
  readonly #persistence: BrokerPersistence
  readonly #gatekeeper: Gatekeeper
  readonly #fanout: Fanout
  readonly #aedes: Aedes
  readonly #listener: TlsListener
  readonly #clientHandlers: ((event: ClientEvent) => void)[] = []

  constructor(options: BrokerOptions, store: BrokerStore) {
    this.#now = options.now ?? Date.now
    this.#reports = new ReportLimiter(this.#now)
    this.#errorReports = new ReportLimiter(this.#now)
    this.#options = options
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#persistence = new BrokerPersistence(store, {
      maxQueuedMessages: this.#limits.maxQueuedMessages,
      maxQueuedBytes: this.#limits.maxQueuedBytes,
      maxIncoming: this.#limits.maxInflightQos2,
      admits: (client, filter) => this.#gatekeeper.hasSubscribed(client as Client, filter),
      onDropped: options.onDropped,
      onError: (error) => options.onError(error, null),
    })
    this.#gatekeeper = new Gatekeeper(
      {
        ...options,
        onDenied: (denial) => this.#report(denial),
        onError: (error, client) => this.#reportError(error, client),
      },
      this.#limits,
      {
        current: (id) => this.#clients()[id],
        isRepeated: (client, messageId) => this.#persistence.hasIncoming(client, messageId),
        retained: this.#persistence,
      },
    )
    this.#fanout = new Fanout({
      ...this.#limits,
      partyOf: (client) => this.#gatekeeper.identityOf(client),
      mayRead: (party, topic) => this.#gatekeeper.mayRead(party, topic),
      queueOf: (client) => this.#persistence.queueOf(client),
      onDropped: options.onDropped,
    })
    this.#aedes = this.#createAedes()
    this.#listener = createTlsListener({
      ...options.tls,
      ...this.#limits,
      host: options.host,
      port: options.port,
      now: this.#now,
      otherProtocol: options.other?.protocol ?? null,
      ticketKeys: options.ticketKeys ?? ticketKeysInMemory(this.#now),
      onConnection: (socket) => this.#accept(socket),
      onRefused: (address, why) => this.#report({ client: null, address, action: 'connect', topic: null, why }),
    })
  }

  #accept(socket: TLSSocket): void {
    const { other } = this.#options
    if (other !== undefined && socket.alpnProtocol === other.protocol) {
      other.onConnection(socket)
      return
    }
    const client = this.#aedes.handle(socket)
    this.#fanout.track(client)
    limitPackets(client, this.#limits, {
      now: this.#now,
      onThrottled: () => this.#gatekeeper.flooded(client, 'it sends faster than it may, and is slowed down'),
      onTooLong: () => {
        this.#gatekeeper.flooded(client, 'it sent faster than it may for too long, and is disconnected')
        client.close()
      },
    })
  }

  #report(denial: Omit<Denial, 'more'>): void {
    const { client, address, topic } = denial
    const more = this.#reports.admit(client ? `${client.kind} ${client.id}` : addressGroup(address))
    if (more !== null) this.#options.onDenied({ ...denial, topic: topic?.slice(0, 256) ?? null, more })
  }

  /** Connections break all the time. `about` is who may not fill the log with it. */
  #reportError(error: unknown, client: string | null, about = client): void {
    if (about === null || this.#errorReports.admit(about) !== null) this.#options.onError(error, client)
  }

  #createAedes(): Aedes {
    const gatekeeper = this.#gatekeeper
    return new Aedes({
      persistence: this.#persistence,
      // Any bound here is one on all clients together, and a slow one would stop the others.
      concurrency: 0,
      connectTimeout: this.#limits.connectTimeoutMs,
      drainTimeout: this.#limits.drainTimeoutMs,
      maxInflightInbound: this.#limits.maxInflightQos2,
      preConnect: (client, packet, done) => {
        gatekeeper.noteConnect(client, packet)
        done(null, true)
      },
      authenticate: (client, _username, _password, done) => gatekeeper.authenticate(client, done),
      authorizePublish: (client, packet, done) => gatekeeper.authorizePublish(client, packet, done),
      // Null is a SUBACK with 128.
      authorizeSubscribe: (client, subscription, done) => {
        const granted = gatekeeper.subscribes(client, subscription.topic)
        // Not of one whose name another connection has by now.
        if (granted && !client.closed) this.#tell('reads', client)
        done(null, granted ? subscription : null)
      },
      // Once more at delivery: a queue may hold what was granted only when it was filled.
      authorizeForward: (client, packet) => {
        this.#fanout.sends(client)
        const party = gatekeeper.identityOf(client)
        return party && gatekeeper.mayRead(party, packet.topic) ? packet : null
      },
    })
  }

  async start(): Promise<void> {
    const { onError } = this.#options
    this.#aedes.on('client', (client) => this.#tell('connected', client))
    this.#aedes.on('clientReady', (client) => this.#fanout.ready(client))
    this.#aedes.on('clientDisconnect', (client) => this.#tell('disconnected', client))
    this.#aedes.on('unsubscribe', (filters, client) => this.#gatekeeper.unsubscribed(client, filters))
    this.#aedes.on('clientError', (client, error) => {
      // A refused CONNECT was reported as a denial.
      if (!('returnCode' in error)) this.#reportError(error, client.id)
    })
    this.#aedes.on('connectionError', (_client, error) => {
      // Told as a denial.
      if ((error as { errorCode?: number }).errorCode === unacceptableVersion) return
      this.#reportError(error, null, 'before CONNECT')
    })
    // An EventEmitter throws errors that nobody listens for.
    ;(this.#aedes as NodeJS.EventEmitter).on('error', (error: unknown) => onError(error, null))
    await this.#aedes.listen()
    await this.#publishLeftWills()
  }

  /** Clients of a former run that did not say goodbye are gone: what they left to say is said before any can come back. */
  async #publishLeftWills(): Promise<void> {
    const topics = fleetTopics(this.#options.fleet)
    for (const will of this.#persistence.leftWills()) {
      const id = will.clientId!
      if (will.retain && mayLeaveWill(topics, { kind: 'node', id }, will.topic)) {
        await this.#persistence.storeRetained(retainedPacket(will.topic, Buffer.from(will.payload), will.qos))
      }
      await this.#persistence.delWill({ id })
    }
    await this.#persistence.flush()
  }

  listen(): Promise<{ port: number }> {
    return this.#listener.listen()
  }

  use(tls: TlsFiles): void {
    this.#listener.use(tls)
  }

  async close(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#aedes.close(() => resolve()))
    await this.#listener.close()
    await ended
    await this.#gatekeeper.settle()
    await this.#persistence.flush()
  }

  async publish(
    topic: string,
    payload: Uint8Array,
    { retain = false, qos = 0 }: { retain?: boolean; qos?: 0 | 1 } = {},
  ): Promise<void> {
    const size = payload.length + Buffer.byteLength(topic) + publishOverhead
    if (size > this.#limits.maxPacketBytes) {
      throw new HyphaError('bytes-too-long', `A message of ${size} bytes is over the broker's limit`, { where: topic })
    }
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    // Both in one transaction.
    const [delivery] = await Promise.all([
      qos === 0 ? null : this.#persistence.enqueueForAll(topic, bytes),
      retain ? this.#persistence.storeRetained(retainedPacket(topic, bytes, qos)) : null,
    ])
    // Stored already: only the delivery to those that are subscribed now is left, which carries no retain flag [MQTT-3.3.1-9].
    const delivered = this.#fanout.publish(topic, bytes, qos, delivery)
    if (retain) delivered.catch((error) => this.#options.onError(error, null))
    else await delivered
  }

  retained(filter: string): Iterable<StoredMessage> {
    return this.#persistence.retained(filter)
  }

  onMessage(handler: MessageHandler): void {
    this.#gatekeeper.onMessage(handler)
  }

  onClient(handler: (event: ClientEvent) => void): void {
    this.#clientHandlers.push(handler)
  }

  #tell(kind: ClientEvent['kind'], client: Client): void {
    const identity = this.#gatekeeper.identityOf(client)
    if (!identity) return
    const event = { kind, client: identity, will: this.#gatekeeper.willOf(client) }
    for (const handler of this.#clientHandlers) handler(event)
  }

  #clients(): Readonly<Record<string, Client>> {
    return (this.#aedes as unknown as { clients: Record<string, Client> }).clients
  }

  *connected(): Generator<ClientIdentity> {
    for (const client of Object.values(this.#clients())) {
      const identity = this.#gatekeeper.identityOf(client)
      if (identity && !client.closed) yield identity
    }
  }

  disconnect(clientId: string): void {
    this.#clients()[clientId]?.close()
  }

  async forget(clientId: string): Promise<void> {
    const client = this.#clients()[clientId]
    if (client) await new Promise<void>((resolve) => client.close(resolve))
    await this.#persistence.cleanSubscriptions({ id: clientId })
    await this.#persistence.cleanIncoming({ id: clientId })
    await this.#persistence.delWill({ id: clientId })
    await this.#persistence.flush()
  }
}

const retainedPacket = (topic: string, payload: Buffer, qos: 0 | 1 | 2) => ({
  cmd: 'publish' as const,
  topic,
  payload,
  qos,
  retain: true,
})
