import type { Socket } from 'node:net'
import type { Client } from 'aedes'
import { takeAcknowledgements } from './acknowledgements.ts'
import { PublishFrame } from './frame.ts'
import { firstCommonId, type SharedDelivery } from './shared-delivery.ts'
import { FilterTree } from './topic-tree.ts'

/** What of aedes this file steps into; tests on the wire hold it to that. */
interface Inside {
  readonly id: string
  readonly conn: Socket
  readonly clean: boolean
  /** Of MQTT: 3, 4 or 5. */
  readonly version: number
  readonly closed: boolean
  readonly errored: boolean
  readonly connackSent: boolean
  /** After CONNACK and all that the session's queue held. */
  readonly connected: boolean
  subscriptions: Record<string, { readonly qos: number }>
  _nextId: number
  /** Calls back once: without an error when the socket can take more, with one when the client is gone, or took nothing for too long and is cut. */
  waitForDrain(done: (error: Error | null) => void): void
}

export interface FanoutPorts {
  /** Asked at each delivery: a grant may have been taken away since the subscription. */
  readonly mayRead: (client: Client, topic: string) => boolean
  /** A client that is behind lost its oldest messages. */
  readonly onDropped: (client: string, count: number) => void
  /** A client acknowledges what was delivered to many; false where the packet id is of anything else. */
  readonly acknowledge: (client: string, messageId: number) => boolean
  /** What waits for one client that is behind. */
  readonly maxQueuedMessages: number
  readonly maxQueuedBytes: number
  /** A publisher waits so long for a client that is behind; from then on nobody does until it has caught up. */
  readonly patienceMs?: number
}

interface Message {
  readonly topic: string
  readonly qos: 0 | 1
  readonly frame: PublishFrame
  /** Its place in the queues of persistent sessions; null if none waits for it. */
  readonly delivery: SharedDelivery | null
}

interface Waiting {
  readonly message: Message
  readonly qos: 0 | 1
}

/** A connection, and what waits for it. */
interface Reader {
  readonly client: Client
  readonly inside: Inside
  queue: Waiting[]
  queuedBytes: number
  /** Resolves when the client has caught up, or is gone; null while it isn't behind. */
  behind: Promise<void> | null
  caughtUp: () => void
  /** It was waited for in vain. */
  slow: boolean
  /** The next packet id of those that are its own. */
  readonly ownId: () => number
}

interface Subscribed {
  readonly reader: Reader
  readonly qos: number
}

interface Job {
  readonly message: Message
  readonly done: (behind: readonly Reader[], readers: number) => void
}

interface Round extends Job {
  readonly readers: number
  readonly left: Iterator<[Reader, number], undefined>
  readonly behind: Reader[]
}

/** Writes in one turn of the event loop: about 5 ms over TLS. */
const writesPerTurn = 256

/**
 * Delivers what the gateway itself publishes. A message is encoded once, and the same bytes are written to every subscriber's socket: aedes, which encodes and writes each part for each of
 * them, takes many times as long. Messages leave in the order in which they were given, for each client and for all together. A client whose socket is full gets a queue of its
 * own, with the bounds of a session that is away, and nobody else waits for it.
 */
export class Fanout {
  readonly #ports: FanoutPorts
  readonly #subscriptions = new FilterTree<Subscribed>()
  readonly #readers = new WeakMap<Client, Reader>()
  readonly #jobs: Job[] = []
  /** What is being handed out. */
  #round: Round | null = null
  #running = false
  #connections = 0

  constructor(ports: FanoutPorts) {
    this.#ports = ports
  }

  /** Follows a client's subscriptions and acknowledgements: to be called before any of its packets is handled. */
  track(client: Client): void {
    const inside = client as unknown as Inside
    const reader: Reader = {
      client,
      inside,
      queue: [],
      queuedBytes: 0,
      behind: null,
      caughtUp: () => undefined,
      slow: false,
      ownId: () => {
        keepBelow(inside)
        return inside._nextId++
      },
    }
    this.#readers.set(client, reader)
    inside.conn.once('close', () => this.#end(reader))
    inside._nextId = (inside._nextId % (firstCommonId - 1)) + 1
    takeAcknowledgements(client, (messageId) => this.#ports.acknowledge(inside.id, messageId))
    // Not its name: a connection that is taken over ends its subscriptions when its successor has made its own.
    const owner = `${++this.#connections}`
    // aedes writes down here what holds, also of restored sessions, for which it emits no event.
    inside.subscriptions = new Proxy(inside.subscriptions, {
      set: (target, filter, subscription: { readonly qos: number }) => {
        this.#subscriptions.set(filter as string, owner, { reader, qos: subscription.qos })
        return Reflect.set(target, filter, subscription)
      },
      deleteProperty: (target, filter) => {
        this.#subscriptions.delete(filter as string, owner)
        return Reflect.deleteProperty(target, filter)
      },
    })
  }

  /** aedes is about to send it a message of its own. */
  sends(client: Client): void {
    keepBelow(client as unknown as Inside)
  }

  /** The client's session queue has been sent: what came meanwhile follows. */
  ready(client: Client): void {
    const reader = this.#readers.get(client)
    if (reader?.behind) this.#flush(reader)
  }

  /**
   * Resolves when it is handed to all that are subscribed and none of them is behind that hasn't been waited for in vain: so who publishes is slowed to what they can take, and one that takes
   * nothing slows nobody for longer than a moment. Where all of them are behind, when the first has caught up.
   */
  async publish(topic: string, payload: Uint8Array, qos: 0 | 1, delivery: SharedDelivery | null = null): Promise<void> {
    const message = { topic, qos, frame: new PublishFrame(topic, payload), delivery }
    const { behind, readers } = await new Promise<{ behind: readonly Reader[]; readers: number }>((resolve) => {
      this.#jobs.push({ message, done: (behind, readers) => resolve({ behind, readers }) })
      if (this.#running) return
      this.#running = true
      // Behind what aedes was about to write, such as an older retained message to a new subscription.
      setImmediate(() => this.#run())
    })
    if (behind.length > 0) await this.#waitFor(behind, readers)
  }

  #run(): void {
    let left = writesPerTurn
    while (left > 0) {
      this.#round ??= this.#begin()
      if (this.#round === null) {
        this.#running = false
        return
      }
      const { value, done } = this.#round.left.next()
      if (done) this.#finish(this.#round)
      else this.#deliver(value[0], this.#round, value[1])
      left--
    }
    setImmediate(() => this.#run())
  }

  #begin(): Round | null {
    const job = this.#jobs.shift()
    if (!job) return null
    const readers = this.#readersOf(job.message.topic)
    return { ...job, readers: readers.size, left: readers.entries(), behind: [] }
  }

  #finish({ done, behind, readers }: Round): void {
    this.#round = null
    done(behind, readers)
  }

  /** Each client once, with the highest QoS of its subscriptions that match [MQTT-3.3.5-1]. */
  #readersOf(topic: string): Map<Reader, number> {
    const readers = new Map<Reader, number>()
    for (const { reader, qos } of this.#subscriptions.match(topic)) {
      const other = readers.get(reader)
      if (other === undefined || other < qos) readers.set(reader, qos)
    }
    return readers
  }

  #deliver(reader: Reader, { message, behind }: Round, granted: number): void {
    const { inside, client } = reader
    // Before CONNACK a session is being restored: what waits in its queue is sent after it, and for the rest the client was away.
    if (inside.closed || inside.errored || !inside.connackSent) return
    const qos = granted > 0 ? message.qos : 0
    if (!this.#ports.mayRead(client, message.topic)) {
      if (qos === 1 && !inside.clean) message.delivery?.drop(inside.id)
      return
    }
    // What its queue held goes first.
    if (!reader.behind && !inside.connected && !inside.clean) this.#fallBehind(reader)
    if (reader.behind) this.#queue(reader, { message, qos })
    else if (!this.#write(reader, message, qos)) this.#waitForDrain(reader)
    if (reader.behind) behind.push(reader)
  }

  /** False when the socket is full. */
  #write({ inside, ownId }: Reader, { frame, delivery }: Message, qos: 0 | 1): boolean {
    if (qos === 0) return inside.conn.write(frame.plain(inside.version))
    const { conn, version, clean, id } = inside
    if (clean || delivery === null) return conn.write(frame.numbered(version, ownId()))
    const messageId = delivery.begin(id, ownId)
    // Sent already with the session's queue, or acknowledged, or it has made room.
    if (messageId === null) return true
    return conn.write(
      messageId === delivery.messageId ? frame.numberedForAll(version, messageId) : frame.numbered(version, messageId),
    )
  }

  #queue(reader: Reader, waiting: Waiting): void {
    const { queue } = reader
    const { maxQueuedMessages, maxQueuedBytes } = this.#ports
    queue.push(waiting)
    reader.queuedBytes += waiting.message.frame.size
    let dropped = 0
    while (queue.length > maxQueuedMessages || (reader.queuedBytes > maxQueuedBytes && queue.length > 1)) {
      const oldest = queue.shift()!
      reader.queuedBytes -= oldest.message.frame.size
      // A persistent session keeps its own, and tells itself what it dropped.
      if (oldest.qos === 0 || reader.inside.clean) dropped++
    }
    if (dropped > 0) this.#ports.onDropped(reader.inside.id, dropped)
  }

  #fallBehind(reader: Reader): void {
    reader.behind = new Promise((resolve) => {
      reader.caughtUp = resolve
    })
  }

  #catchUp(reader: Reader): void {
    reader.behind = null
    reader.slow = false
    reader.caughtUp()
  }

  #waitForDrain(reader: Reader): void {
    if (!reader.behind) this.#fallBehind(reader)
    reader.inside.waitForDrain((error) => {
      if (error || reader.inside.closed) this.#end(reader)
      else this.#flush(reader)
    })
  }

  #end(reader: Reader): void {
    reader.queue = []
    reader.queuedBytes = 0
    if (reader.behind) this.#catchUp(reader)
  }

  #flush(reader: Reader): void {
    for (let next = reader.queue.shift(); next !== undefined; next = reader.queue.shift()) {
      reader.queuedBytes -= next.message.frame.size
      if (!this.#write(reader, next.message, next.qos)) {
        this.#waitForDrain(reader)
        return
      }
    }
    this.#catchUp(reader)
  }

  async #waitFor(behind: readonly Reader[], readers: number): Promise<void> {
    const { patienceMs = 250 } = this.#ports
    const waited = behind.filter(({ slow }) => !slow)
    if (waited.length > 0) {
      let timer: NodeJS.Timeout | null = null
      const patience = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, patienceMs)
      })
      await Promise.race([Promise.all(waited.map((reader) => reader.behind)), patience])
      clearTimeout(timer!)
      for (const reader of waited) if (reader.behind) reader.slow = true
    }
    if (behind.length === readers) await Promise.race(behind.map((reader) => reader.behind))
  }
}

/** aedes, too, takes a client's packet ids from `_nextId`: they are to stay below those that all clients have in common. */
function keepBelow(inside: Inside): void {
  if (inside._nextId >= firstCommonId) inside._nextId = 1
}
