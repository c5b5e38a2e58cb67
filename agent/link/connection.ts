import { isIP } from 'node:net'
import { connect, createSecureContext, type SecureContext } from 'node:tls'
import { HyphaError } from '@hypha/core/errors.ts'
import { presence } from '@hypha/core/wire/messages/presence.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { connectionError } from './connection-error.ts'
import type { LinkOptions, LinkTiming } from './link.ts'
import { type Client, MqttClient } from './mqtt-client.ts'
import { publishFrame } from './publish-frame.ts'

/** What outlives a connection: the TLS session, by which the next one begins without a full handshake. */
export class TlsState {
  readonly #context: SecureContext
  #session: Buffer | undefined

  constructor({ ca, certificate, key }: Pick<LinkOptions, 'ca' | 'certificate' | 'key'>) {
    // None at all, where none is to be believed: left out, it would be the authorities that Node brings.
    this.#context = createSecureContext({ ca: ca ?? [], cert: certificate, key, minVersion: 'TLSv1.3' })
  }

  connect({ host, port, path, onSecure }: Pick<LinkOptions, 'host' | 'port' | 'path' | 'onSecure'>) {
    const socket = connect({
      host,
      port,
      ...(path === undefined ? {} : { path }),
      secureContext: this.#context,
      ...(this.#session ? { session: this.#session } : {}),
      // SNI carries names only (RFC 6066, 3).
      ...(isIP(host) ? {} : { servername: host }),
    })
    socket.setNoDelay(true)
    socket.on('session', (session) => {
      this.#session = session
    })
    socket.once('secureConnect', () => onSecure?.(socket.isSessionReused()))
    // One that makes the handshake fail must not make it fail for ever; that nobody listens says nothing of it.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      if (/^ERR_(SSL|TLS)/.test(code ?? '')) this.#session = undefined
    })
    return socket
  }
}

export interface ConnectionEvents {
  /** The broker has taken the subscriptions and the presence. */
  onOnline(): void
  onMessage(topic: string, payload: Uint8Array): void
  onDenied(filter: string): void
  /** The end, once; null when it was asked for or came without a reason. */
  onEnd(error: HyphaError | null): void
}

/** One connection from CONNECT to its end: mqtt.js without its own reconnection, whose queues have no bound. */
export class Connection {
  readonly #client: Client
  readonly #filters: () => readonly string[]
  readonly #events: ConnectionEvents
  readonly #presenceTopic: string
  readonly #options: Pick<LinkOptions, 'run' | 'journal'>
  readonly #number: number
  readonly #maxInFlight: number
  readonly #outstanding = new Set<(error: HyphaError) => void>()
  #error: HyphaError | null = null
  #begun = false
  #ended = false

  constructor(
    options: LinkOptions & { maxInFlight: number; timing: LinkTiming },
    tls: TlsState,
    filters: () => readonly string[],
    events: ConnectionEvents,
  ) {
    this.#filters = filters
    this.#events = events
    this.#options = options
    this.#number = options.nextConnection()
    this.#maxInFlight = options.maxInFlight
    this.#presenceTopic = fleetTopics(options.fleet).presence(options.node)
    const connectSocket = () => {
      const socket = tls.connect(options)
      // mqtt.js keeps to itself what TLS has to say, such as that the certificate has expired.
      socket.on('error', (error) => {
        this.#error ??= connectionError(error, options.host, options.port)
      })
      return socket
    }
    this.#client = new MqttClient(connectSocket, {
      clientId: options.node,
      protocolVersion: 4,
      // Retained messages alone lead to the right state; what else must arrive is acknowledged by messages of our own.
      clean: true,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      // Else mqtt-packet makes 65,536 buffers in advance: 18 MB.
      writeCache: false,
      timerVariant: 'native',
      keepalive: options.timing.keepaliveSeconds,
      connectTimeout: options.timing.connectTimeoutMs,
      will: { topic: this.#presenceTopic, payload: this.#presence(false), qos: 1, retain: true },
    })
    this.#client.on('connect', () => this.#begin())
    this.#client.on('message', (topic, payload) => events.onMessage(topic, payload))
    this.#client.on('error', (error) => {
      this.#error ??= connectionError(error, options.host, options.port)
    })
    this.#client.on('close', () => this.#end())
  }

  #presence(online: boolean): Buffer {
    const { run = null, journal } = this.#options
    return Buffer.from(presence.encode({ connection: this.#number, online, run, journal: journal?.() ?? null }))
  }

  async #begin(): Promise<void> {
    this.#begun = true
    try {
      // One after the other on the wire, so that the presence is said when the subscriptions hold.
      const subscribed = this.subscribe(this.#filters())
      const announced = this.publish(this.#presenceTopic, this.#presence(true), { qos: 1, retain: true })
      await Promise.all([subscribed, announced])
      if (!this.#ended) this.#events.onOnline()
    } catch (error) {
      this.#error ??= error as HyphaError
      this.#client.end(true)
    }
  }

  /** Before the broker has let the node in there is nothing to do: it begins with the filters of that time. */
  async subscribe(filters: readonly string[]): Promise<void> {
    if (!this.#begun || filters.length === 0) return
    const granted = await this.#track<readonly number[]>((done) =>
      // A SUBACK that refuses a filter comes as an error, with the packet beside it.
      this.#client.subscribe([...filters], { qos: 1 }, (error, _requested, packet) =>
        done(packet ? null : error, (packet?.granted ?? []) as number[]),
      ),
    )
    for (const [index, filter] of filters.entries()) if (granted[index] === 128) this.#events.onDenied(filter)
  }

  async unsubscribe(filter: string): Promise<void> {
    if (!this.#begun) return
    await this.#track<void>((done) => this.#client.unsubscribe(filter, (error) => done(error ?? null, undefined)))
  }

  async publish(topic: string, payload: Uint8Array, options: { qos: 0 | 1; retain?: boolean }): Promise<void> {
    if (this.#outstanding.size >= this.#maxInFlight) {
      throw new HyphaError('link-busy', `${this.#maxInFlight} messages await their acknowledgement`, { where: topic })
    }
    if (options.qos === 0 && options.retain !== true) return this.#write(publishFrame(topic, payload))
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    await this.#track<void>((done) =>
      this.#client.publish(topic, bytes, options, (error) => done(error ?? null, undefined)),
    )
  }

  /** Past mqtt.js, which has nothing to remember of it, and would write it in four parts one step later. */
  #write(frame: Buffer): Promise<void> {
    if (!this.#client.connected) return Promise.reject(cut())
    return this.#track<void>((done) => this.#client.stream.write(frame, (error) => done(error ?? null, undefined)))
  }

  /** mqtt.js forgets callbacks when a connection ends: here each is answered. */
  #track<T>(start: (done: (error: Error | null, result: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(cut())
        return
      }
      this.#outstanding.add(reject)
      start((error, result) => {
        this.#outstanding.delete(reject)
        if (error) reject(cut(error))
        else resolve(result)
      })
    })
  }

  /** Ends it with a word of goodbye, in place of the will. */
  async leave(): Promise<void> {
    await this.publish(this.#presenceTopic, this.#presence(false), { qos: 1, retain: true })
    await new Promise<void>((resolve) => this.#client.end(false, {}, () => resolve()))
  }

  /** Ends it as if it were cut. */
  abort(): void {
    this.#client.end(true)
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    for (const reject of this.#outstanding) reject(cut(this.#error ?? undefined))
    this.#outstanding.clear()
    // Frees its timers; late errors of the socket must still find a listener.
    this.#client.end(true)
    this.#events.onEnd(this.#error)
  }
}

const cut = (cause?: unknown) =>
  new HyphaError('link-offline', 'The connection to the broker was cut', cause === undefined ? {} : { cause })
