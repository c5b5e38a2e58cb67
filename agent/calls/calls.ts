import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import { linkMessage, maxPath } from '@hypha/core/wire/messages/link.ts'
import { type CallOutcome, cellName, type End, endName, failed, type OutgoingCall } from '../linked-calls.ts'
import { Incoming, type IncomingPorts, unforeseen } from './incoming.ts'
import { Remote, type RemotePorts } from './remote.ts'
import { LinkStats } from './stats.ts'
import { Waits } from './waits.ts'

export interface CallsPorts extends Omit<IncomingPorts, 'waits'>, RemotePorts {
  onProblem(error: HyphaError): void
}

/** Waits between tries of a call whose link says `retry`. */
const firstRetryMs = 100
const maxRetryMs = 1_000
/** And of one whose callee is on its way: it takes a few tenths of a second. */
const maxComingMs = 200
const problemEveryMs = 10_000
const graceMs = 10

/** What may be over when the call is tried again. A call that may have run is answered by its id then. */
const passing: ReadonlySet<string> = new Set([
  'callee-unreachable',
  'callee-not-running',
  'link-busy',
  'link-not-listed',
  'epoch-mismatch',
  'would-deadlock',
])

/** How a call is answered whose callee is on its way between nodes, by the one that it has left or the one that doesn't know of it yet: each has its own directive, and they don't come at the same moment. */
const onItsWay: ReadonlySet<string> = new Set(['callee-not-running', 'link-not-listed'])

type Target = { readonly node: string; readonly end: End }

/** Calls over links that leave their cell: to other cells of this node, to other nodes, and from them. [P 11] */
export class Calls {
  readonly stats: LinkStats
  readonly #ports: CallsPorts
  readonly #waits = new Waits()
  readonly #incoming: Incoming
  readonly #remote: Remote
  /** Calls to other nodes that wait, for an answer or for a callee on its way: each looks whether that is elsewhere by now. */
  readonly #under = new Set<() => void>()
  #toldAt = Number.NEGATIVE_INFINITY

  constructor(ports: CallsPorts) {
    this.#ports = ports
    this.stats = new LinkStats(ports.clock)
    this.#incoming = new Incoming({ ...ports, waits: this.#waits, linked: (app) => ports.linked(app) })
    this.#remote = new Remote(ports)
  }

  /** What runs on this node, or what its directive says, may be another by now. */
  review(): void {
    this.#incoming.review()
    for (const look of [...this.#under]) look()
  }

  /** Ids of the devices that run an app, sorted. */
  devices(app: string): readonly string[] {
    const homes = this.#ports.linked(app)?.devices.flatMap(({ at }) => at.map(({ home }) => home)) ?? []
    return [...new Set(homes)].sort()
  }

  /** A call of one of this node's instances. Never rejects. */
  async make(call: OutgoingCall): Promise<CallOutcome> {
    const { clock } = this.#ports
    const since = clock.monotonic()
    // Also without `retry` it waits for a callee on its way, for as long as one try may take. [P 13.8]
    const inAllMs = call.retry ? call.leftMs : Math.min(call.tryMs, call.leftMs)
    let waitMs = firstRetryMs
    for (;;) {
      const target = this.#resolve(call)
      const leftMs = inAllMs - (clock.monotonic() - since)
      const outcome =
        'kind' in target ? target : await this.#once(call, target, Math.min(call.tryMs, leftMs)).catch(unforeseen)
      if (outcome.kind === 'ok') return outcome
      const coming = onItsWay.has(outcome.code) && outcome.ran === 'no'
      if (!coming && !(call.retry && passing.has(outcome.code))) return outcome
      if (clock.monotonic() - since + waitMs >= inAllMs || this.#waitsForItself(call)) return outcome
      await this.#pause(call, 'kind' in target ? null : target.node, waitMs)
      waitMs = Math.min(coming ? maxComingMs : maxRetryMs, 2 * waitMs)
    }
  }

  /** Whether its callee comes to this node, or leaves it, only once the turn that makes the call has ended. */
  #waitsForItself(call: OutgoingCall): boolean {
    const now = this.#nodeNow(call)
    const { node } = this.#ports
    return now !== null && call.callee.node !== null && (call.callee.node === node) !== (now === node)
  }

  /** So many ms, or less where the directive says before that that the callee is on another node than the one that was tried. */
  async #pause(call: OutgoingCall, tried: string | null, ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const look = (): void => {
      const now = this.#resolve(call)
      if (!('kind' in now) && now.node !== tried) resolve()
    }
    const cancel = this.#ports.clock.after(ms, resolve)
    this.#under.add(look)
    look()
    await promise
    cancel()
    this.#under.delete(look)
  }

  async #once(call: OutgoingCall, target: Target, budgetMs: number): Promise<CallOutcome> {
    const { node } = this.#ports
    if (call.path.length > maxPath) {
      return failed('would-deadlock', `${call.path.length} cells would wait for one another in a row`)
    }
    const cell = call.path.at(-1)!
    const { clock } = this.#ports
    const since = clock.monotonic()
    const away = target.node !== node
    const probe = (path: readonly string[]) => this.#remote.probe(target.node, call.id, path)
    this.#waits.begin(cell, cellsOf(call, target), away ? probe : null)
    try {
      const answer = away ? this.#away(call, target, budgetMs) : this.#here(call, target.end, budgetMs)
      this.#incoming.chase()
      const outcome = await answer
      this.stats.note(call, target, outcome, clock.monotonic() - since)
      return outcome
    } finally {
      this.#waits.end(cell)
    }
  }

  /** Whom a call is meant for. [P 11.7] */
  #resolve(call: OutgoingCall): Target | CallOutcome {
    const { app, callee, caller, home } = call
    if (callee.node !== null) {
      if (callee.node === this.#ports.node) return callee
      if (this.#isComing(call)) return failed('callee-unreachable', `${endName(callee.end)} moves to this node`)
      return { node: this.#nodeNow(call) ?? callee.node, end: callee.end }
    }
    const { module } = callee
    if (home === null) return failed('no-home', `nothing says which device's "${module}" is meant by ${caller.module}`)
    const at = this.#ports.linked(app)?.devices.find((each) => each.module === module)?.at ?? []
    const device = at.find((each) => each.home === home)
    if (device === undefined) return failed('unknown-device', `no node runs "${module}" of ${home}`)
    return { node: device.node, end: { module, home } }
  }

  #nodeNow({ app, caller, interface: name }: OutgoingCall): string | null {
    return this.#ports.linked(app)?.nodeOf?.(caller, name) ?? null
  }

  /** Whether a callee that was on another node is to run on this one. */
  #isComing(call: OutgoingCall): boolean {
    return this.#nodeNow(call) === this.#ports.node
  }

  /** Waits no longer for a node than the directive has the callee there. */
  async #away(call: OutgoingCall, { node, end }: Target, budgetMs: number): Promise<CallOutcome> {
    const look = (): void => {
      const now = this.#resolve(call)
      if ('kind' in now || now.node !== node) this.#remote.moved(node, call.id, 'kind' in now ? null : now.node)
    }
    this.#under.add(look)
    try {
      return await this.#remote.call(node, end, call, budgetMs)
    } finally {
      this.#under.delete(look)
    }
  }

  async #here(call: OutgoingCall, callee: End, budgetMs: number): Promise<CallOutcome> {
    const { node, clock } = this.#ports
    const { promise: late, resolve } = Promise.withResolvers<CallOutcome>()
    // One that has not begun by then is told so by whoever it waits for.
    const cancel = clock.after(budgetMs + graceMs, () => {
      const text = `${endName(callee)} did not answer within ${Math.round(budgetMs)} ms`
      resolve(failed('callee-unreachable', text, 'unknown'))
    })
    const handled = this.#incoming.handle({ ...call, from: node, callee, budgetMs })
    // Null where its turn is tried again while the call of the first time runs still.
    const none = failed('already-handled', 'the same call runs already', 'unknown')
    try {
      return await Promise.race([handled.then((answered) => answered?.outcome ?? none), late])
    } finally {
      cancel()
    }
  }

  /** A message of another node, as received on `l/<this node>/<other>`. What can't be read is told now and then, and dropped. */
  receive(from: string, payload: Uint8Array): void {
    try {
      const message = linkMessage.decode(payload)
      this.#remote.heard(from)
      if (message.kind === 'reply') this.#remote.reply(from, message)
      else if (message.kind === 'cancel') this.#incoming.cancel(from, message.id)
      else if (message.kind === 'probe') this.#incoming.probed(from, message.id, message.path)
      else void this.#answer({ ...message, from })
    } catch (thrown) {
      const nowMs = this.#ports.clock.monotonic()
      if (nowMs - this.#toldAt < problemEveryMs) return
      this.#toldAt = nowMs
      this.#ports.onProblem(asHyphaError(thrown))
    }
  }

  async #answer(call: Parameters<Incoming['handle']>[0]): Promise<void> {
    const { link, topics, node } = this.#ports
    const answered = await this.#incoming
      .handle(call)
      .catch((thrown) => ({ outcome: unforeseen(thrown), again: false }))
    if (answered === null) return
    const reply = linkMessage.encode({ kind: 'reply', id: call.id, ...answered })
    link.publish(topics.link(call.from, node), reply, { qos: 0 }).catch(() => {
      // The caller asks again, and is answered from memory.
    })
  }
}

/** The names that the callee's cell may have: its own where its module is isolated, or has no core form. */
function cellsOf({ app, isolated }: OutgoingCall, { node, end }: Target): string[] {
  const own = cellName(node, app, end.module)
  return isolated.has(end.module) ? [own] : [own, cellName(node, app, null)]
}
