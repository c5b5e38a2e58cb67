import { toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import { type CallOutcome, type End, endName, failed, type LinkedCall } from '../linked-calls.ts'
import { PendingCall } from '../pending-call.ts'
import type { InstanceKey } from '../turns.ts'
import { Answers } from './answers.ts'
import type { LinkedApp } from './ports.ts'
import { isServed } from './served.ts'
import type { Waits } from './waits.ts'

/** Calls that wait at this node, in all and of one node. [P 11.6] */
const maxWaiting = 256
const maxWaitingOfNode = 128
/** Of SHA-256. */
const digestBytes = 32

export interface IncomingPorts {
  readonly node: string
  readonly clock: Clock
  readonly waits: Waits
  /** Null for an app that this node knows nothing of. */
  linked(app: string): LinkedApp | null
  readonly journal: {
    /** Throws where it can't be written down. */
    beginCall(instance: InstanceKey, id: Uint8Array): void
    begunCall(instance: InstanceKey, id: Uint8Array): boolean
  }
}

export interface IncomingCall extends LinkedCall {
  /** The caller's node. */
  readonly from: string
  readonly app: string
  readonly caller: End
  readonly callee: End
  readonly budgetMs: number
}

export interface Answered {
  readonly outcome: CallOutcome
  /** It was answered before. */
  readonly again: boolean
}

interface Running {
  readonly fingerprint: string
  readonly from: string
  readonly call: IncomingCall
  readonly pending: PendingCall
}

/** What instances of this node are called for, from its other cells and from other nodes: each call at most once. */
export class Incoming {
  readonly #ports: IncomingPorts
  readonly #answers = new Answers()
  /** Calls that wait or run, by callee and id. */
  readonly #running = new Map<string, Running>()
  /** Those that wait for another release, or for their callee to run. */
  readonly #parked = new Set<() => void>()

  constructor(ports: IncomingPorts) {
    this.#ports = ports
  }

  /** What runs, or what the directive says, may be another by now. */
  review(): void {
    for (const wake of this.#parked) wake()
  }

  /** Null where the same call runs already: whoever made it first gets the answer. */
  async handle(call: IncomingCall): Promise<Answered | null> {
    const { node, journal, linked } = this.#ports
    const instance: InstanceKey = { app: call.app, ...call.callee }
    const app = linked(call.app)
    const name = `${instanceName(instance)} ${toHex(call.id)}`
    const fingerprint = fingerprintOf(call)
    const known = this.#running.get(name) ?? this.#answers.get(name)
    if (call.from !== node && !isListed(app, call)) {
      // Its callee may have left since it began here: who made it hears of it all the same, and doesn't make it elsewhere again.
      const made = known !== undefined && known.from === call.from && known.fingerprint === fingerprint
      if (!made) return fresh(failed('link-not-listed', `${node} is not told to answer ${describe(call)}`))
    }
    if (known !== undefined) {
      if (known.fingerprint !== fingerprint) {
        return fresh(failed('call-differs', `${describe(call)} has the id of another call`, 'unknown'))
      }
      if ('outcome' in known) return { outcome: known.outcome, again: true }
      this.#chase(known)
      return null
    }
    if (journal.begunCall(instance, call.id)) {
      return fresh(failed('already-handled', `${describe(call)} was begun before`, 'unknown'))
    }
    const refused = this.#refusal(call)
    if (refused !== null) return fresh(refused)
    const outcome = await this.#run(name, fingerprint, instance, call)
    return fresh(outcome)
  }

  /** The caller waits no longer. */
  cancel(from: string, id: Uint8Array): void {
    for (const { pending } of this.#runningOf(from, id)) pending.withdraw('its caller gave up')
  }

  /** A cell of this node has begun to wait for another node: whoever waits for that cell may wait in a circle now. */
  chase(): void {
    for (const running of this.#running.values()) this.#chase(running)
  }

  /** The caller's node tells which cells wait for a call of it: more than there were when it was made. */
  probed(from: string, id: Uint8Array, path: readonly string[]): void {
    for (const running of this.#runningOf(from, id)) this.#chase(running, path)
  }

  #runningOf(from: string, id: Uint8Array): Running[] {
    const suffix = ` ${toHex(id)}`
    return [...this.#running].flatMap(([name, running]) =>
      running.call.from === from && name.endsWith(suffix) ? [running] : [],
    )
  }

  /**
   * Edge chasing (Chandy, Misra, Haas: Distributed deadlock detection, 1983): what waits for a cell that waits for another node is told to that node, and so on, until it comes to one of those that wait. There the call that has not begun yet is refused. Who
   * lies about what waits for it has its own call refused.
   */
  #chase({ call, pending }: Running, path: readonly string[] = call.path): void {
    const cell = this.#cellOf(call)
    if (cell === null) return
    const followed = this.#ports.waits.follow(cell, path)
    if (followed.kind === 'away') followed.probe([...path, ...followed.chain])
    else if (followed.kind === 'circle' && !pending.begun) pending.settle(deadlock(call, path, followed.chain))
  }

  #cellOf({ app, callee }: IncomingCall): string | null {
    return this.#ports.linked(app)?.callees?.cellOf({ app, ...callee }) ?? null
  }

  #refusal(call: IncomingCall): CallOutcome | null {
    const ofNode = [...this.#running.values()].filter((other) => other.call.from === call.from).length
    if (this.#running.size >= maxWaiting || ofNode >= maxWaitingOfNode) {
      return failed('link-busy', `${this.#running.size} calls wait at ${this.#ports.node}`)
    }
    const cell = this.#cellOf(call)
    const followed = cell === null ? null : this.#ports.waits.follow(cell, call.path)
    return followed?.kind === 'circle' ? deadlock(call, call.path, followed.chain) : null
  }

  async #run(name: string, fingerprint: string, instance: InstanceKey, call: IncomingCall): Promise<CallOutcome> {
    const { clock, journal } = this.#ports
    const begin = (): void => journal.beginCall(instance, call.id)
    const { from } = call
    // Whoever runs in its place takes it.
    const pending = new PendingCall(call, begin, () => {
      this.#parked.add(offer)
      queueMicrotask(() => this.#parked.has(offer) && offer())
    })
    const running: Running = { fingerprint, from, call, pending }
    this.#running.set(name, running)
    const cancelTimer = clock.after(call.budgetMs, () => {
      const parked = this.#parked.has(offer)
      if (parked && !pending.begun) pending.settle(failed('callee-not-running', `${endName(instance)} does not run`))
      else pending.withdraw(`others took all of its ${Math.round(call.budgetMs)} ms`)
    })
    const offer = (): void => {
      if (pending.settled || pending.begun) return
      const outcome = this.#offer(instance, call, pending)
      if (outcome === 'queued') this.#parked.delete(offer)
      else if (outcome === 'later') this.#parked.add(offer)
      else pending.settle(outcome)
    }
    offer()
    this.#chase(running)
    try {
      const outcome = await pending.outcome
      if (pending.begun) this.#answers.set(name, { fingerprint, from, outcome })
      return outcome
    } finally {
      cancelTimer()
      this.#parked.delete(offer)
      this.#running.delete(name)
    }
  }

  /** Gives a call to its callee; `later` where it may be able to answer it soon. [P 11.8] */
  #offer(instance: InstanceKey, call: IncomingCall, pending: PendingCall): 'queued' | 'later' | CallOutcome {
    const app = this.#ports.linked(instance.app)
    const callees = app?.callees ?? null
    if (app === null || callees === null) return this.#later(app, instance)
    const refusal = callees.refusal(instance, call)
    if (refusal !== null) {
      const mismatch = refusal.kind === 'failed' && refusal.code === 'epoch-mismatch'
      return mismatch && app.next === null ? refusal : this.#later(app, instance)
    }
    const given = callees.call(instance, pending)
    if (given === 'absent') return this.#later(app, instance)
    return given === 'queued' ? given : failed('link-busy', `too many calls wait for ${endName(instance)}`)
  }

  /** For who has left this node nobody waits here: its caller goes to where it is by then. [P 13.8] */
  #later(app: LinkedApp | null, instance: InstanceKey): 'later' | CallOutcome {
    if (app !== null && app.leaves?.(instance) !== true) return 'later'
    return failed('callee-not-running', `${endName(instance)} has left ${this.#ports.node}`)
  }
}

const fresh = (outcome: CallOutcome): Answered => ({ outcome, again: false })

/** In what runs, or in what is to run: then it waits for that. */
function isListed(app: LinkedApp | null, call: IncomingCall): boolean {
  if (app === null) return false
  return isServed(app.served, call.from, call) || (app.next !== null && isServed(app.next, call.from, call))
}

const deadlock = (call: IncomingCall, path: readonly string[], chain: readonly string[]): CallOutcome => {
  const circle = [...path, ...chain].join(' → ')
  return failed('would-deadlock', `${describe(call)} would wait for a cell that waits for it: ${circle}`)
}

const describe = ({ interface: name, func, caller, callee, from }: IncomingCall): string =>
  `${name}#${func} of ${endName(callee)} for ${endName(caller)} on ${from}`

/** Short arguments, as most are, as they are: what is as short as their digest needs none. */
function fingerprintOf({ interface: name, func, args }: IncomingCall): string {
  const short = args.length < digestBytes
  return `${name}#${func} ${toHex(short ? args : nodeCrypto.sha256(args))}`
}

/** What a call is refused with whose bytes or ports fail in a way that nobody foresaw. */
export const unforeseen = (thrown: unknown): CallOutcome => {
  const { code, message } = asHyphaError(thrown)
  return failed(code, message, 'unknown')
}
