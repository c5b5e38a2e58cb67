import type { TLSSocket } from 'node:tls'
import { type FleetTopics, fleetTopics } from '@hypha/core/wire/topics.ts'
import type { Aedes, AuthenticateError, Client } from 'aedes'
import { type AccessRules, accessRules, mayLeaveWill, type Party } from './access.ts'
import type { BrokerLimits, BrokerOptions, Denial, MessageHandler } from './broker.ts'
import { Buckets } from './bucket.ts'
import { type ClientIdentity, identify } from './identity.ts'
import { RetainedUsage } from './retained-usage.ts'

interface Session {
  readonly identity: ClientIdentity
  readonly filters: Set<string>
}

/** Fields of CONNECT that aedes keeps to itself until the client is let in. */
interface Asked {
  readonly clientId: string
  readonly will: { readonly topic: string; readonly payload: Uint8Array } | null
}

/** Of CONNECT, what is looked at before anything else is. */
interface ConnectPacket {
  readonly clientId: string
  /** Of MQTT: 3, 4 (for 3.1.1) or 5. */
  readonly protocolVersion?: number | undefined
  readonly will?: { readonly topic: string; readonly payload: Uint8Array | string } | undefined
  keepalive?: number
}

interface GatekeeperOptions
  extends Pick<BrokerOptions, 'fleet' | 'grantsOf' | 'admits' | 'mayReceive' | 'onError' | 'now'> {
  readonly onDenied: (denial: Omit<Denial, 'more'>) => void
}

export type PublishPacket = Parameters<Aedes['authorizePublish']>[1]
type Done = (error?: Error | null) => void

/** What the gatekeeper has to know of the broker that it keeps. */
interface Kept {
  /** The client that has this id now. */
  current(id: string): Client | undefined
  /** Whether a QoS 2 message was received before and not released yet. */
  isRepeated(client: Client, messageId: number | undefined): boolean
  readonly retained: { readonly retainedCount: number; isRetained(topic: string): boolean }
}

// Nobody can subscribe to topics beyond the fleet's, so what is renamed to these goes nowhere.
const deniedTopic = '$hypha/denied'
const consumedTopic = '$hypha/consumed'
/** Of MQTT 3.1.1: aedes speaks no other but its predecessor. */
const newestVersion = 4
/** CONNACK return codes (MQTT 3.1.1, 3.2.2.3). */
export const unacceptableVersion = 1
const identifierRejected = 2
const serverUnavailable = 3
const notAuthorized = 5

/** Who comes in, and what each may do: aedes asks it at every step. What passes goes to the handlers before it is acknowledged. */
export class Gatekeeper {
  readonly #options: GatekeeperOptions
  readonly #limits: BrokerLimits
  readonly #kept: Kept
  readonly #now: () => number
  readonly #topics: FleetTopics
  readonly #rules: AccessRules
  readonly #asked = new WeakMap<Client, Asked>()
  readonly #sessions = new WeakMap<Client, Session>()
  readonly #connects: Buckets
  readonly #usage: RetainedUsage
  readonly #handlers: MessageHandler[] = []
  /** Messages whose handlers have not finished. */
  readonly #handling = new Set<Promise<void>>()

  constructor(options: GatekeeperOptions, limits: BrokerLimits, kept: Kept) {
    this.#options = options
    this.#limits = limits
    this.#kept = kept
    this.#now = options.now ?? Date.now
    this.#topics = fleetTopics(options.fleet)
    this.#rules = accessRules(this.#topics, options.grantsOf)
    this.#connects = new Buckets(limits.connectRatePerClient)
    this.#usage = new RetainedUsage(limits, (topic) => kept.retained.isRetained(topic))
  }

  onMessage(handler: MessageHandler): void {
    this.#handlers.push(handler)
  }

  identityOf(client: Client): ClientIdentity | undefined {
    return this.#sessions.get(client)?.identity
  }

  /** The payload of its will. */
  willOf(client: Client): Uint8Array | null {
    return this.#asked.get(client)?.will?.payload ?? null
  }

  /** Resolves when the handlers of everything received so far have finished. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#handling)
  }

  // Connections

  noteConnect(client: Client, packet: ConnectPacket): void {
    const { clientId, will } = packet
    this.#asked.set(client, { clientId, will: will ? { topic: will.topic, payload: Buffer.from(will.payload) } : null })
    // aedes reads it from the packet afterwards, and lets a client without one stay silent for ever.
    const { maxKeepaliveSeconds: longest } = this.#limits
    packet.keepalive = packet.keepalive ? Math.min(packet.keepalive, longest) : longest
    // aedes answers 1 in CONNACK, and says no more than that.
    const { protocolVersion: version } = packet
    if (version === undefined || version <= newestVersion) return
    const identity = identify(client.conn as TLSSocket, this.#options.fleet)
    const why = `it speaks MQTT ${version}, and this broker MQTT 3.1.1 (protocol version ${newestVersion}): it should connect with that`
    this.#deny(client, identity, 'connect', null, why)
  }

  /** Not in preConnect: aedes then closes without CONNACK, and clients try again for ever. */
  authenticate(client: Client, done: Parameters<Aedes['authenticate']>[3]): void {
    const identity = identify(client.conn as TLSSocket, this.#options.fleet)
    const refusal = this.#connectRefusal(identity, this.#asked.get(client))
    if (refusal) {
      this.#deny(client, identity, 'connect', null, refusal.why)
      done(Object.assign(new Error(refusal.why), { returnCode: refusal.code }) as AuthenticateError, false)
    } else {
      this.#sessions.set(client, { identity: identity!, filters: new Set() })
      done(null, true)
    }
  }

  #connectRefusal(identity: ClientIdentity | null, asked: Asked | undefined): { code: number; why: string } | null {
    const refuse = (why: string, code = notAuthorized) => ({ code, why })
    if (!identity) return refuse("its certificate is not a node's or a client's of this fleet")
    if (asked?.clientId !== identity.id) {
      const given = asked?.clientId.slice(0, 64)
      return refuse(`its client id is "${given}", its certificate's name ${identity.id}`, identifierRejected)
    }
    const now = this.#now()
    if (now >= identity.expiresAt) return refuse('its certificate has expired')
    const admitted = this.#options.admits(identity)
    if (admitted !== true) return refuse(admitted || 'it was removed, or has a newer certificate')
    // An agent that is told so waits for a minute.
    if (!this.#connects.of(`${identity.kind} ${identity.id}`, now).take(1, now)) {
      return refuse('it connects again and again', serverUnavailable)
    }
    const { will } = asked
    if (will === null) return null
    if (!mayLeaveWill(this.#topics, identity, will.topic)) {
      return refuse(`it may not leave a will on ${will.topic.slice(0, 256)}`)
    }
    const { length } = will.payload
    if (length > this.#limits.maxWillBytes) return refuse(`its will has ${length} bytes`)
    return null
  }

  // Subscriptions

  subscribes(client: Client, filter: string): boolean {
    const session = this.#sessions.get(client)
    const refusal = this.#subscribeRefusal(session, filter)
    if (refusal === null) session!.filters.add(filter)
    else this.#deny(client, session?.identity ?? null, 'subscribe', filter, refusal)
    return refusal === null
  }

  #subscribeRefusal(session: Session | undefined, filter: string): string | null {
    const wrong = this.#wrongTopic(filter)
    if (wrong !== null) return wrong
    if (!session || !this.#rules.maySubscribe(session.identity, filter)) return 'it has no right to read this'
    const { kind, id } = session.identity
    const transfer = kind === 'node' ? this.#topics.transferOf(filter) : null
    // Only here, not at each delivery: what it was to have once isn't a secret from it.
    if (transfer !== null && this.#options.mayReceive?.(id, transfer) === false) {
      return "its directive doesn't list this transfer"
    }
    const { maxSubscriptionsPerClient: max } = this.#limits
    if (session.filters.size >= max && !session.filters.has(filter)) return `it has ${max} subscriptions already`
    return null
  }

  #wrongTopic(topic: string): string | null {
    const { maxTopicBytes, maxTopicLevels } = this.#limits
    // A character has at most three bytes for each unit of its length.
    const long =
      topic.length > maxTopicBytes || (topic.length * 3 > maxTopicBytes && Buffer.byteLength(topic) > maxTopicBytes)
    if (long) return `its name has more than ${maxTopicBytes} bytes`
    let levels = 1
    for (let at = topic.indexOf('/'); at >= 0; at = topic.indexOf('/', at + 1)) levels++
    return levels > maxTopicLevels ? `its name has more than ${maxTopicLevels} levels` : null
  }

  /** Whether it has this subscription, or is just getting it. */
  hasSubscribed(client: Client, filter: string): boolean {
    return this.#sessions.get(client)?.filters.has(filter) === true
  }

  unsubscribed(client: Client, filters: readonly string[]): void {
    for (const filter of filters) this.#sessions.get(client)?.filters.delete(filter)
  }

  mayRead(party: Party, filter: string): boolean {
    return this.#rules.maySubscribe(party, filter)
  }

  // Messages

  /**
   * Every PUBLISH and every will passes here before it is acknowledged. What may not be is dropped and yet acknowledged: an MQTT 3.1.1 broker can't say
   * no, and clients whose connection is ended for it send the same again for ever [MQTT-3.3.5-2].
   */
  authorizePublish(client: Client | null, packet: PublishPacket, done: Done): void {
    const identity = client === null ? undefined : this.identityOf(client)
    if (client === null || !identity) {
      drop(packet, deniedTopic)
      done()
    } else if (packet === (client as unknown as { will: PublishPacket | null }).will) {
      this.#authorizeWill(client, identity, packet, done)
    } else if (client.closed) {
      // Read before its connection was ended: the newer word of whoever has its name now counts.
      drop(packet, consumedTopic)
      done()
    } else {
      const refusal = this.#publishRefusal(identity, packet)
      if (refusal !== null) {
        this.#deny(client, identity, 'publish', packet.topic, refusal)
        drop(packet, deniedTopic)
        done()
      } else if (packet.qos === 2 && this.#kept.isRepeated(client, packet.messageId)) {
        done()
      } else {
        this.#handle(identity, packet, done)
      }
    }
  }

  #publishRefusal(identity: ClientIdentity, packet: PublishPacket): string | null {
    const { topic, payload, retain } = packet
    const wrong = this.#wrongTopic(topic)
    if (wrong !== null) return wrong
    if (!this.#rules.mayPublish(identity, topic)) return 'it has no right to publish this'
    const { maxWillBytes, maxRetained } = this.#limits
    if (identity.kind === 'node' && payload.length > maxWillBytes && topic === this.#topics.presence(identity.id)) {
      return `a presence of ${payload.length} bytes`
    }
    if (!retain) return null
    if (!this.#rules.mayRetain(identity, topic)) return 'it may not have this retained'
    const adds = payload.length > 0 && !this.#kept.retained.isRetained(topic)
    if (adds && this.#kept.retained.retainedCount >= maxRetained)
      return `there are ${maxRetained} retained messages already`
    // A node has two topics, whose messages have their own bounds.
    return identity.kind === 'node' ? null : this.#usage.note(identity.id, topic, payload.length)
  }

  #authorizeWill(client: Client, identity: ClientIdentity, will: PublishPacket, done: Done): void {
    // One step later, when a connection that takes over this one's name stands in its place: then the node isn't gone, and the newer word counts.
    queueMicrotask(() => {
      const current = this.#kept.current(identity.id)
      if (current !== undefined && current !== client && !current.closed) {
        drop(will, consumedTopic)
        done()
      } else {
        this.#handle(identity, will, done)
      }
    })
  }

  #handle(identity: ClientIdentity, packet: PublishPacket, done: Done): void {
    const { topic } = packet
    const pass = () => {
      // A node's reports are for the gateway alone: they are spared the way through the subscriptions.
      if (this.#topics.parse(topic)?.kind === 'up') drop(packet, consumedTopic)
      // Nor is anything kept of a node that is no more, its last word and its will included.
      else if (packet.retain && this.#options.admits(identity) !== true) drop(packet, consumedTopic)
      done()
    }
    const fail = (error: unknown) => {
      this.#options.onError(error, identity.id)
      done(new Error('the message could not be handled'))
    }
    const waits: Promise<void>[] = []
    try {
      for (const handler of this.#handlers) {
        const result = handler(identity, topic, packet.payload as Buffer)
        if (result) waits.push(result)
      }
    } catch (error) {
      fail(error)
      return
    }
    if (waits.length === 0) {
      pass()
      return
    }
    const all: Promise<void> = Promise.all(waits)
      .then(pass, fail)
      .finally(() => this.#handling.delete(all))
    this.#handling.add(all)
  }

  /** It sends too much. */
  flooded(client: Client, why: string): void {
    this.#deny(client, this.identityOf(client) ?? null, 'flood', null, why)
  }

  #deny(
    client: Client,
    identity: ClientIdentity | null,
    action: Denial['action'],
    topic: string | null,
    why: string,
  ): void {
    const address = (client.conn as TLSSocket).remoteAddress ?? '?'
    this.#options.onDenied({ client: identity, address, action, topic, why })
  }
}

function drop(packet: PublishPacket, to: string): void {
  packet.topic = to
  packet.retain = false
}
