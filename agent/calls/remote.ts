import { toHex } from '@hypha/core/bytes/text.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { type LinkReply, linkMessage, maxPath } from '@hypha/core/wire/messages/link.ts'
import type { FleetTopics } from '@hypha/core/wire/topics.ts'
import { type CallOutcome, type End, endName, failed, type OutgoingCall } from '../linked-calls.ts'

/** A call is sent again after so long without an answer, then after twice as long each time. [P 11.3] */
const firstResendMs = 250
/** What a call of a node may take that has let the one before run out, so that those who wait for the caller aren't kept by a device that is off. [P 11.3] */
const silentBudgetMs = 500
/** A node from which a callee has gone says for so long what has become of a call there. [P 13.8] */
const lastWordMs = 500

export interface RemotePorts {
  readonly node: string
  readonly topics: FleetTopics
  readonly clock: Clock
  readonly link: {
    /** Rejects where there is no connection. */
    publish(topic: string, payload: Uint8Array, options: { qos: 0 }): Promise<void>
    onState(listener: (state: 'online' | 'offline') => void): () => void
  }
}

interface Awaited {
  readonly to: string
  answer(outcome: CallOutcome): void
  /** Its callee isn't there any more: the node is asked for the last time. */
  moved(to: string | null): void
  send(): void
}

/** Calls that other nodes are to answer: sent again until they do, or until nobody waits any more. */
export class Remote {
  readonly #ports: RemotePorts
  /** By id. */
  readonly #awaited = new Map<string, Awaited>()
  /** Nodes that let a call run out, and have not been heard of since. */
  readonly #silent = new Set<string>()

  constructor(ports: RemotePorts) {
    this.#ports = ports
    ports.link.onState((state) => {
      if (state === 'online') for (const { send } of this.#awaited.values()) send()
    })
  }

  /** Never rejects. */
  async call(to: string, callee: End, call: OutgoingCall, fullBudgetMs: number): Promise<CallOutcome> {
    const { clock } = this.#ports
    const budgetMs = this.#silent.has(to) ? Math.min(silentBudgetMs, fullBudgetMs) : fullBudgetMs
    const { promise, resolve } = Promise.withResolvers<CallOutcome>()
    const since = clock.monotonic()
    const untilMs = since + budgetMs
    let sent = false
    let cancelTimer = (): void => undefined
    let resendMs = firstResendMs
    const send = (): void => {
      cancelTimer()
      const leftMs = untilMs - clock.monotonic()
      cancelTimer = clock.after(Math.min(resendMs, leftMs), () => (clock.monotonic() < untilMs ? send() : end()))
      resendMs *= 2
      if (leftMs < 1) return
      this.#send(to, { ...this.#message(callee, call), budgetMs: Math.floor(leftMs) }).then(
        () => {
          sent = true
        },
        () => {
          // Offline, or too much is under way: it goes again with the next connection, or the next time.
        },
      )
    }
    const fail = (what: string) => {
      this.#cancel(to, call.id)
      const text = `${what}: ${call.interface}#${call.func} of ${endName(callee)}`
      resolve(failed('callee-unreachable', text, sent ? 'unknown' : 'no'))
    }
    const end = () => {
      if (budgetMs >= silentBudgetMs) this.#silent.add(to)
      fail(sent ? `${to} did not answer within ${Math.round(budgetMs)} ms` : `there is no connection to ${to}`)
    }
    let leaving = false
    let cancelLastWord = (): void => undefined
    const moved = (now: string | null) => {
      if (leaving) return
      leaving = true
      send()
      const text = `it moves from ${to}${now === null ? '' : ` to ${now}`}`
      cancelLastWord = clock.after(sent ? lastWordMs : 0, () => fail(text))
    }
    const key = toHex(call.id)
    this.#awaited.set(key, { to, answer: resolve, moved, send })
    send()
    const outcome = await promise
    cancelTimer()
    cancelLastWord()
    this.#awaited.delete(key)
    return outcome
  }

  /** Tells the node of a call's callee which cells wait for it by now, the first caller's first. A longer path than calls may have is none that ends well: its deadline ends it. */
  probe(to: string, id: Uint8Array, path: readonly string[]): void {
    if (path.length > maxPath) return
    this.#send(to, { kind: 'probe', id, path }).catch(() => {
      // It is told again when the call is sent again.
    })
  }

  /** A node has sent something. */
  heard(from: string): void {
    this.#silent.delete(from)
  }

  /** A call that waits for a node waits in vain, unless it has begun there: its callee is elsewhere, or has no place. */
  moved(from: string, id: Uint8Array, to: string | null): void {
    const awaited = this.#awaited.get(toHex(id))
    if (awaited?.to === from) awaited.moved(to)
  }

  /** What a node answers that nobody asked is nothing. */
  reply(from: string, { id, outcome }: LinkReply): void {
    const awaited = this.#awaited.get(toHex(id))
    if (awaited?.to === from) awaited.answer(outcome)
  }

  #message(callee: End, call: OutgoingCall) {
    const { id, app, interface: name, digest, func, caller, home, path, args } = call
    return { kind: 'call' as const, id, app, interface: name, digest, func, caller, callee, home, path, args }
  }

  #send(to: string, message: Parameters<typeof linkMessage.encode>[0]): Promise<void> {
    const { topics, node, link } = this.#ports
    return link.publish(topics.link(to, node), linkMessage.encode(message), { qos: 0 })
  }

  #cancel(to: string, id: Uint8Array): void {
    this.#send(to, { kind: 'cancel', id }).catch(() => {
      // The callee gives up by itself when the budget that came with the call is spent.
    })
  }
}
