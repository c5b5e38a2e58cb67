import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import { topicMatches } from '@hypha/core/wire/topics.ts'
import { Connection, TlsState } from './connection.ts'
import {
  defaultMaxInFlight,
  defaultTiming,
  type Link,
  type LinkHandler,
  type LinkOptions,
  type LinkState,
  type LinkTiming,
} from './link.ts'

/** Begins to connect at once, and again after each cut until `close`. */
export function createLink(options: LinkOptions): Link {
  return new MqttLink(options)
}

class MqttLink implements Link {
  #options: LinkOptions & { maxInFlight: number; timing: LinkTiming }
  #tls: TlsState
  readonly #stateListeners = new Set<(state: LinkState) => void>()
  readonly #handlers = new Map<string, Set<LinkHandler>>()
  #connection: Connection | null = null
  /** Filters whose UNSUBSCRIBE the broker has not acknowledged. */
  #leaving = new Set<string>()
  #state: LinkState = 'offline'
  #closed = false
  /** The next connection is due. */
  #waiting = false
  /** Connections in a row that failed or did not hold. */
  #failures = 0
  #cancelTimer: () => void = () => undefined
  #lastReported = ''

  constructor(options: LinkOptions) {
    const timing = { ...defaultTiming, ...options.timing }
    this.#options = { ...options, maxInFlight: options.maxInFlight ?? defaultMaxInFlight, timing }
    this.#tls = new TlsState(options)
    this.#connect()
  }

  get state(): LinkState {
    return this.#state
  }

  get alive(): boolean {
    return this.#connection !== null || this.#waiting || this.#closed
  }

  onState(listener: (state: LinkState) => void): () => void {
    this.#stateListeners.add(listener)
    return () => this.#stateListeners.delete(listener)
  }

  #connect(): void {
    this.#waiting = false
    this.#leaving = new Set()
    const connection: Connection = new Connection(this.#options, this.#tls, () => [...this.#handlers.keys()], {
      onOnline: () => this.#online(connection),
      onMessage: (topic, payload) => this.#dispatch(topic, payload),
      onDenied: (filter) =>
        this.#report(
          new HyphaError('link-denied', `The broker refused the subscription to ${filter}`, { where: filter }),
        ),
      onEnd: (error) => this.#ended(error),
    })
    this.#connection = connection
  }

  #online(connection: Connection): void {
    if (this.#connection !== connection || this.#closed) return
    this.#lastReported = ''
    this.#cancelTimer = this.#options.clock.after(this.#options.timing.stableMs, () => {
      this.#failures = 0
    })
    this.#setState('online')
  }

  #ended(error: HyphaError | null): void {
    this.#connection = null
    this.#cancelTimer()
    this.#setState('offline')
    // After the goodbye a cut is what was asked for, whoever was first.
    if (error && !(this.#closed && error.code === 'link-offline')) this.#report(error)
    if (this.#closed) return
    this.#waiting = true
    this.#cancelTimer = this.#options.clock.after(this.#backoff(error), () => this.#connect())
    this.#failures++
  }

  /** Exponential with equal jitter: a fleet whose gateway restarts must not come back all at once. Who was refused needn't hurry. */
  #backoff(error: HyphaError | null): number {
    const { firstBackoffMs, maxBackoffMs } = this.#options.timing
    const longest =
      error?.code === 'link-refused'
        ? maxBackoffMs
        : Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.min(this.#failures, 30))
    return longest / 2 + (this.#options.random() * longest) / 2
  }

  #setState(state: LinkState): void {
    if (this.#state === state) return
    this.#state = state
    for (const listener of this.#stateListeners) this.#guard(() => listener(state))
  }

  #report(error: HyphaError): void {
    const text = `${error.code} ${error.message}`
    if (text === this.#lastReported) return
    this.#lastReported = text
    this.#options.onError(error)
  }

  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      // A defect of one listener must not keep the others from hearing.
      this.#report(asHyphaError(error))
    }
  }

  #dispatch(topic: string, payload: Uint8Array): void {
    for (const [filter, handlers] of this.#handlers) {
      if (filter !== topic && !topicMatches(filter, topic)) continue
      for (const handler of handlers) this.#guard(() => handler(topic, payload))
    }
  }

  async publish(topic: string, payload: Uint8Array, options: { qos: 0 | 1; retain?: boolean }): Promise<void> {
    if (this.#state === 'offline' || !this.#connection) {
      throw new HyphaError('link-offline', 'There is no connection to the broker', { where: topic })
    }
    await this.#connection.publish(topic, payload, options)
  }

  subscribe(filter: string, handler: LinkHandler): () => void {
    const handlers = this.#handlers.get(filter)
    if (handlers) handlers.add(handler)
    else {
      this.#handlers.set(filter, new Set([handler]))
      // Some brokers take what comes in one segment side by side: an UNSUBSCRIBE that is still under way would end this subscription.
      if (!this.#leaving.has(filter)) this.#tellBroker((connection) => connection.subscribe([filter]))
    }
    return () => {
      const left = this.#handlers.get(filter)
      if (!left?.delete(handler) || left.size > 0) return
      this.#handlers.delete(filter)
      if (!this.#leaving.has(filter)) this.#tellBroker((connection) => this.#leave(connection, filter))
    }
  }

  /** Where it is wanted again by the time that the broker has forgotten it, it is subscribed to anew. */
  async #leave(connection: Connection, filter: string): Promise<void> {
    const leaving = this.#leaving
    leaving.add(filter)
    await connection.unsubscribe(filter)
    leaving.delete(filter)
    if (this.#connection === connection && this.#handlers.has(filter)) await connection.subscribe([filter])
  }

  /** A cut on the way needs no answer: the next connection begins with the filters of that time. */
  #tellBroker(tell: (connection: Connection) => Promise<void>): void {
    if (!this.#connection) return
    tell(this.#connection).catch((error: HyphaError) => {
      if (error.code !== 'link-offline') this.#report(error)
    })
  }

  renew(renewed: Pick<LinkOptions, 'ca' | 'certificate' | 'host' | 'port'>): void {
    if (this.#closed) return
    this.#options = { ...this.#options, ...renewed }
    this.#tls = new TlsState(this.#options)
    this.#failures = 0
    if (this.#connection) {
      // Its end begins the next one.
      this.#connection.abort()
      return
    }
    this.#cancelTimer()
    this.#connect()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#cancelTimer()
    const connection = this.#connection
    if (connection && this.#state === 'online') {
      const cancel = this.#options.clock.after(this.#options.timing.goodbyeMs, () => connection.abort())
      await connection.leave().catch((error: HyphaError) => {
        // Cut before the goodbye arrived: the will says the same.
        if (error.code !== 'link-offline') this.#report(error)
      })
      cancel()
    }
    connection?.abort()
    this.#setState('offline')
  }
}
