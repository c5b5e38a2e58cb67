import { randomBytes } from 'node:crypto'
import { HyphaError } from '@hypha/core/errors.ts'
import type { ForwardBatch } from '@hypha/core/wire/messages/forward.ts'
import type { Store } from '../store/store.ts'

export interface ForwarderPorts {
  readonly store: Pick<Store, 'outbox' | 'meta' | 'events' | 'transaction'>
  /** ms since 1970. */
  now(): number
  send(batch: ForwardBatch): void
  onProblem(error: HyphaError): void
  readonly limits?: { readonly maxWaiting?: number; readonly pollMs?: number }
}

const keys = { incarnation: 'uplink incarnation', acked: 'uplink acked', sent: 'uplink sent' }
/** Rows that wait while there is no uplink: about a gigabyte. */
const defaultMaxWaiting = 20_000_000
const defaultPollMs = 200
/** Dropped in one step, and so far over the bound before anything is. */
const dropRows = 100_000
const incarnationBytes = 8

/**
 * Sends what the store takes in to the upstream, in order, one batch after the other. How far the upstream has acknowledged is written down with what is removed; and how far was sent is
 * written down before it is: an upstream that has more than that has it from a store which was set back since. [P 14.6]
 */
export class Forwarder {
  readonly #ports: ForwarderPorts
  readonly #maxWaiting: number
  readonly #pollMs: number
  #incarnation: Uint8Array
  #acked: number
  #sent: number
  /** The end of the batch that is under way. */
  #pending: number | null = null
  #online = false
  #timer: NodeJS.Timeout | null = null

  constructor(ports: ForwarderPorts) {
    this.#ports = ports
    const { maxWaiting = defaultMaxWaiting, pollMs = defaultPollMs } = ports.limits ?? {}
    this.#maxWaiting = maxWaiting
    this.#pollMs = pollMs
    const { meta, outbox } = ports.store
    const known = meta.get(keys.incarnation)
    const begun = known instanceof Uint8Array && known.length === incarnationBytes
    this.#incarnation = begun ? known : new Uint8Array(incarnationBytes)
    this.#acked = Number(meta.get(keys.acked) ?? 0)
    this.#sent = Number(meta.get(keys.sent) ?? 0)
    if (!begun) this.#begin(outbox.head)
    outbox.open()
    this.#timer = setInterval(() => this.look(), this.#pollMs)
  }

  /** Numbers under a new incarnation say nothing about those under the one before. */
  #begin(acked: number): void {
    const { store } = this.#ports
    this.#incarnation = new Uint8Array(randomBytes(incarnationBytes))
    store.transaction(() => {
      store.meta.put(keys.incarnation, this.#incarnation)
      this.#keep(acked, acked)
    })
  }

  #keep(acked: number, sent: number): void {
    const { meta, outbox } = this.#ports.store
    if (acked !== this.#acked) outbox.forget(acked)
    this.#acked = acked
    this.#sent = sent
    meta.put(keys.acked, acked)
    meta.put(keys.sent, sent)
  }

  get hello(): { readonly incarnation: Uint8Array; readonly begin: number } {
    return { incarnation: this.#incarnation, begin: this.#acked }
  }

  get status(): { readonly waiting: number; readonly acked: number } {
    return { waiting: this.#ports.store.outbox.waiting, acked: this.#acked }
  }

  /** What the upstream has. False where this store was set back: a new incarnation has begun, and the uplink is to be opened anew. */
  welcome(upTo: number): boolean {
    if (upTo > this.#sent) {
      const text = `The upstream has ${upTo - this.#sent} rows that this gateway doesn't know to have sent: its database was set back`
      this.#ports.onProblem(
        new HyphaError('uplink-offline', text, { mend: 'Nothing: what is here goes up under a new number.' }),
      )
      this.#begin(this.#acked)
      return false
    }
    this.#ports.store.transaction(() => this.#keep(upTo, this.#sent))
    this.#pending = null
    this.#online = true
    this.look()
    return true
  }

  /** False for one that nobody waits for. */
  ack(upTo: number): boolean {
    if (this.#pending === null || upTo !== this.#pending) return false
    this.#pending = null
    this.#ports.store.transaction(() => this.#keep(upTo, this.#sent))
    this.look()
    return true
  }

  offline(): void {
    this.#online = false
    this.#pending = null
  }

  /** Sends what waits, or sees to it that not too much does; done by itself again and again. */
  look(): void {
    if (!this.#online) this.#makeRoom()
    else if (this.#pending === null) this.#sendNext()
  }

  #sendNext(): void {
    const { store, send } = this.#ports
    const batch = store.outbox.batch(this.#acked)
    if (batch === null) return
    this.#pending = batch.upTo
    if (batch.upTo > this.#sent) store.transaction(() => this.#keep(this.#acked, batch.upTo))
    send(batch)
  }

  /** What is over the bound is dropped, the oldest first, and an event says so: it goes up with the rest. */
  #makeRoom(): void {
    const { store, now } = this.#ports
    const over = store.outbox.waiting - this.#maxWaiting
    if (over <= Math.min(dropRows, this.#maxWaiting / 10)) return
    const upTo = store.outbox.head - this.#maxWaiting
    store.transaction(() => {
      const from = Math.max(this.#acked, store.outbox.first - 1)
      const until = Math.min(upTo, from + dropRows)
      this.#keep(until, Math.max(this.#sent, until))
      const text = `The uplink was cut for so long that ${until - from} rows are not forwarded`
      store.events.add({ at: now(), node: null, app: null, module: null, home: null, code: 'uplink-overflow', text })
    })
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** There is no upstream any more. */
  forget(): void {
    this.close()
    const { outbox, meta, transaction } = this.#ports.store
    transaction(() => {
      outbox.close()
      // Whatever it joins next gets what is stored from then on.
      meta.put(keys.incarnation, new Uint8Array(0))
    })
  }
}
