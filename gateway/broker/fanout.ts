import type { Socket } from 'node:net'
import type { Client } from 'aedes'
import type { Party } from './access.ts'
import { takeAcknowledgements } from './acknowledgements.ts'
import { PublishFrame } from './frame.ts'
import type { SessionQueue } from './queue.ts'
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
  /** Who an accepted connection is; asked once. */
  readonly partyOf: (client: Client) => Party | undefined
  /** Asked at each delivery: a grant may have been taken away since the subscription. */
  readonly mayRead: (party: Party, topic: string) => boolean
  /** A client that is behind lost its oldest messages. */
  readonly onDropped: (client: string, count: number) => void
  /** What waits for a persistent session. */
  readonly queueOf: (client: string) => SessionQueue | undefined
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

/** A connection, and what waits for it. What a broadcast asks of ten thousand is at hand here: to look each of them up is dearer than all else that is done for it. */
interface Reader {
  readonly client: Client
  readonly inside: Inside
  party: Party | undefined
  /** Its session's messages, from the first of them on that it was sent here. */
  session: SessionQueue | undefined
  /** The round that it was found for last, and the QoS that it was granted there. */
  round: number
  granted: number
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
  readonly readers: readonly Reader[]
  /** The next of them. */
  next: number
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
  #rounds = 0
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
      party: undefined,
      session: undefined,
      round: 0,
      granted: 0,
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
    takeAcknowledgements(client, (messageId) => reader.session?.acknowledgeShared(messageId) === true)
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
    if (!reader) return
    // What its queue held is acknowledged here, too.
    this.#sessionOf(reader)
    if (reader.behind) this.#flush(reader)
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
      const round = this.#round
      if (round === null) {
        this.#running = false
        return
      }
      const end = Math.min(round.next + left, round.readers.length)
      // A turn that finds nobody counts, too.
      left -= Math.max(1, end - round.next)
      while (round.next < end) this.#deliver(round.readers[round.next++]!, round)
      if (end === round.readers.length) this.#finish(round)
    }
    setImmediate(() => this.#run())
  }

  #begin(): Round | null {
    const job = this.#jobs.shift()
    if (!job) return null
    const readers = this.#readersOf(job.message.topic)
    return { ...job, readers, next: 0, behind: [] }
  }

  #finish({ done, behind, readers }: Round): void {
    this.#round = null
    done(behind, readers.length)
  }

  /** Each client once, granted the highest QoS of its subscriptions that match [MQTT-3.3.5-1]. */
  #readersOf(topic: string): Reader[] {
    const round = ++this.#rounds
    const readers: Reader[] = []
    for (const { reader, qos } of this.#subscriptions.match(topic)) {
      if (reader.round !== round) {
        reader.round = round
        reader.granted = qos
        readers.push(reader)
      } else if (reader.granted < qos) reader.granted = qos
    }
    return readers
  }

  #deliver(reader: Reader, { message, behind }: Round): void {
    const { inside } = reader
    // Before CONNACK a session is being restored: what waits in its queue is sent after it, and for the rest the client was away.
    if (inside.closed || inside.errored || !inside.connackSent) return
    const qos = reader.granted > 0 ? message.qos : 0
    reader.party ??= this.#ports.partyOf(reader.client)
    if (!reader.party || !this.#ports.mayRead(reader.party, message.topic)) {
      const session = qos === 1 ? this.#sessionOf(reader) : undefined
      if (session) message.delivery?.drop(session)
      return
    }
    // What its queue held goes first.
    if (!reader.behind && !inside.connected && !inside.clean) this.#fallBehind(reader)
    if (reader.behind) this.#queue(reader, { message, qos })
    else if (!this.#write(reader, message, qos)) this.#waitForDrain(reader)
    if (reader.behind) behind.push(reader)
  }

  /** Undefined where nothing waits for it beyond its connection. */
  #sessionOf(reader: Reader): SessionQueue | undefined {
    if (!reader.inside.clean) reader.session ??= this.#ports.queueOf(reader.inside.id)
    return reader.session
  }

  /** False when the socket is full. */
  #write(reader: Reader, { frame, delivery }: Message, qos: 0 | 1): boolean {
    const { conn, version, clean } = reader.inside
    if (qos === 0) return conn.write(frame.plain(version))
    if (clean || delivery === null) return conn.write(frame.numbered(version, reader.ownId()))
    const session = this.#sessionOf(reader)
    const messageId = session ? delivery.begin(session, reader.ownId) : null
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
