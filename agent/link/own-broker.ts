import { connect as connectPlain, isIP } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { topicMatches } from '@hypha/core/wire/topics.ts'
import { connectionError } from './connection-error.ts'
import { type Client, MqttClient } from './mqtt-client.ts'

export interface OwnBrokerOptions {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  readonly username: string | null
  readonly password: string | null
  /** PEM; null for the authorities that Node brings. */
  readonly ca: string | null
  readonly clientId: string
  /** For the agent's log; the same thing again and again only once. */
  note(text: string): void
  readonly reconnectMs?: number
}

type Take = (payload: Uint8Array) => void

const defaultReconnectMs = 5_000
const connectTimeoutMs = 15_000
const keepaliveSeconds = 30

/**
 * A broker of the owner's own, beside the fleet's: the agent only listens there. Connects when the first topic is asked for, and again after each
 * cut; it keeps nothing, as a sensor's value that comes late is worth nothing.
 */
export class OwnBroker {
  readonly #options: OwnBrokerOptions
  readonly #takers = new Map<string, Set<Take>>()
  #client: Client | null = null
  #lastNoted = ''

  constructor(options: OwnBrokerOptions) {
    this.#options = options
  }

  /** Holds across connections. The result ends it. */
  subscribe(filter: string, take: Take): () => void {
    const takers = this.#takers.get(filter) ?? new Set()
    this.#takers.set(filter, takers.add(take))
    this.#client ??= this.#connect()
    if (takers.size === 1 && this.#client.connected) this.#ask([filter])
    return () => {
      takers.delete(take)
      if (takers.size > 0) return
      this.#takers.delete(filter)
      if (this.#client?.connected) this.#client.unsubscribe(filter)
    }
  }

  close(): void {
    this.#takers.clear()
    this.#client?.end(true)
  }

  #connect(): Client {
    const { host, port, username, password, clientId, reconnectMs = defaultReconnectMs } = this.#options
    const client = new MqttClient(() => this.#open(), {
      clientId,
      ...(username === null ? {} : { username }),
      ...(password === null ? {} : { password }),
      protocolVersion: 4,
      clean: true,
      reconnectPeriod: reconnectMs,
      // What is asked for is said at each connect.
      resubscribe: false,
      // Else mqtt-packet makes 65,536 buffers in advance: 18 MB.
      writeCache: false,
      timerVariant: 'native',
      keepalive: keepaliveSeconds,
      connectTimeout: connectTimeoutMs,
    })
    client.on('connect', () => {
      this.#lastNoted = ''
      this.#ask([...this.#takers.keys()])
    })
    client.on('message', (topic, payload) => {
      for (const [filter, takers] of this.#takers) {
        if (topicMatches(filter, topic)) for (const take of takers) take(payload)
      }
    })
    client.on('error', (error) => this.#note(`mqtt sensors: ${connectionError(error, host, port).message}`))
    return client
  }

  #open() {
    const { host, port, tls, ca } = this.#options
    if (!tls) return connectPlain({ host, port })
    // SNI carries names only (RFC 6066, 3).
    return connectTls({ host, port, ...(ca === null ? {} : { ca }), ...(isIP(host) ? {} : { servername: host }) })
  }

  #ask(filters: string[]): void {
    if (filters.length === 0) return
    this.#client!.subscribe(filters, { qos: 0 }, (error, _requested, packet) => {
      const granted = (packet?.granted ?? []) as number[]
      for (const [index, filter] of filters.entries()) {
        // A cut before the answer needs no word: the next connection asks again.
        if (granted[index] === 128) this.#note(`mqtt sensors: the broker refused the subscription to ${filter}`)
      }
      if (error && packet === undefined && this.#client?.connected) this.#note(`mqtt sensors: ${error.message}`)
    })
  }

  #note(text: string): void {
    if (text === this.#lastNoted) return
    this.#lastNoted = text
    this.#options.note(text)
  }
}
