import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ack } from '@hypha/core/wire/messages/ack.ts'
import { directiveMessage } from '@hypha/core/wire/messages/directive.ts'
import { report } from '@hypha/core/wire/messages/report.ts'
import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import { type NodeState, state } from '@hypha/core/wire/messages/state.ts'
import { type Want, want } from '@hypha/core/wire/messages/want.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { createBroker } from '../../../gateway/broker/aedes-broker.ts'
import type { Broker } from '../../../gateway/broker/broker.ts'
import { type Authority, loadAuthority } from '../../../gateway/enrol/ca.ts'
import { type Facts, victim } from './fixture.ts'

const nothing = { retained: [], subscriptions: [], deliveries: [], broadcasts: [], wills: [] }

/**
 * What an attacker runs in the gateway's place who has stolen the CA's key: a broker that the node believes to be its own. What he can make the node do with it is the
 * question of the rows.
 */
export class EvilGateway {
  readonly authority: Authority
  readonly port: number
  readonly #broker: Broker
  readonly #topics: ReturnType<typeof fleetTopics>
  /** The last state that came, and all that wait for one. */
  #state: NodeState | null = null
  readonly #waiting = new Set<() => void>()
  /** Values of the metric `level`, in the order of their coming. */
  readonly levels: number[] = []
  readonly wants: Want[] = []
  /** Of the node's journal; null before its first report. */
  incarnation: Uint8Array | null = null
  /** Whether reports are acknowledged. */
  acknowledges = true

  private constructor(authority: Authority, broker: Broker, port: number, fleet: string) {
    this.authority = authority
    this.#broker = broker
    this.port = port
    this.#topics = fleetTopics(fleet)
    broker.onMessage((_from, topic, payload) => this.#onMessage(topic, Uint8Array.from(payload)))
  }

  static async start(folder: string, { fleet }: Facts): Promise<EvilGateway> {
    const read = (name: string) => readFileSync(join(folder, 'hypha/gateway', name), 'utf8')
    const authority = await loadAuthority(fleet, { certificate: read('ca.pem'), key: read('ca.key') })
    const server = await authority.issueServer({ names: ['127.0.0.1'] })
    const broker = await createBroker(
      {
        fleet,
        host: '127.0.0.1',
        port: 0,
        tls: { key: server.key, certificate: server.certificate, ca: authority.certificate },
        grantsOf: () => null,
        admits: () => true,
        onDenied: () => undefined,
        onDropped: () => undefined,
        onError: () => undefined,
      },
      { load: () => nothing, write: () => undefined },
    )
    const { port } = await broker.listen()
    return new EvilGateway(authority, broker, port, fleet)
  }

  #onMessage(topic: string, payload: Uint8Array): void {
    const parsed = this.#topics.parse(topic)
    if (parsed?.kind === 'state') {
      this.#state = state.decode(payload)
      for (const look of [...this.#waiting]) look()
    } else if (parsed?.kind === 'up' && parsed.what === 'report') this.#onReport(payload)
    else if (parsed?.kind === 'up' && parsed.what === 'want') this.wants.push(want.decode(payload))
  }

  #onReport(payload: Uint8Array): void {
    const { incarnation, first, count, series, samples } = report.decode(payload)
    this.incarnation = incarnation
    const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let index = 0; index * 8 < samples.value.length; index++) {
      const { metric } = series[view(samples.series).getUint16(index * 2, true)]!
      if (metric === 'level') this.levels.push(view(samples.value).getFloat64(index * 8, true))
    }
    if (this.acknowledges) this.#publish('ack', ack.encode({ incarnation, upTo: first + count - 1, anew: null }))
  }

  #publish(kind: 'directive' | 'ack' | 'input', bytes: Uint8Array): void {
    void this.#broker.publish(this.#topics.down(victim, kind), bytes, { qos: 1 })
  }

  get state(): NodeState | null {
    return this.#state
  }

  forgetState(): void {
    this.#state = null
  }

  /** The first answer that `read` gives of a state from now on; null if none comes in time. */
  stateThat<T>(read: (state: NodeState) => T | undefined, withinMs = 10_000): Promise<T | null> {
    return new Promise((resolve) => {
      const end = (value: T | null) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve(value)
      }
      const look = () => {
        const found = this.#state === null ? undefined : read(this.#state)
        if (found !== undefined) end(found)
      }
      const timer = setTimeout(() => end(null), withinMs)
      this.#waiting.add(look)
      look()
    })
  }

  /** Bytes on the node's topic for directives, whatever they are. */
  sendRaw(bytes: Uint8Array): void {
    this.#publish('directive', bytes)
  }

  sendDirective(envelope: Uint8Array, attachments: readonly Uint8Array[] = []): void {
    this.sendRaw(directiveMessage.encode({ envelope, attachments }))
  }

  sendAck(bytes: Uint8Array): void {
    this.#publish('ack', bytes)
  }

  sendInput(bytes: Uint8Array): void {
    this.#publish('input', bytes)
  }

  /** Root metadata, in rising order. */
  sendRoots(...envelopes: readonly Uint8Array[]): void {
    this.sendRootsRaw(rootChain.encode({ envelopes }))
  }

  sendRootsRaw(bytes: Uint8Array): void {
    void this.#broker.publish(this.#topics.rootMetadata, bytes, { qos: 1 })
  }

  sendChunk(digestHex: string, index: number, bytes: Uint8Array): Promise<void> {
    return this.#broker.publish(this.#topics.chunk(digestHex, index), bytes)
  }

  close(): Promise<void> {
    return this.#broker.close()
  }
}
