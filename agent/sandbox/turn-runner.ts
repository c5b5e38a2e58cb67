import { toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { type CallOutcome, failed, type LinkedCall } from '../linked-calls.ts'
import type { InboxInput, InputId, InstanceKey, TurnRecord } from '../turns.ts'
import type { Answer, Ask, CellWorker } from './cell-worker.ts'
import type { SandboxOptions } from './options.ts'
import type {
  CellInstance,
  CellModule,
  InstanceEffects,
  LoadedInstance,
  SavedState,
  ToWorker,
  TurnCall,
} from './protocol.ts'
import { toRecord } from './records.ts'

/** What the agent remembers of its instances, across restarts and releases. */
export interface Durable {
  kv(instance: InstanceKey): ReadonlyMap<string, Uint8Array>
  /** The last checkpoint. */
  state(instance: InstanceKey): { readonly release: string; readonly bytes: Uint8Array } | null
  /** The highest number of a source whose input is journaled as handled; −1 where there is none. */
  handled(instance: InstanceKey, source: Uint8Array): number
}

export interface CellSpec {
  /** By which calls say who waits for them. */
  readonly name: string
  readonly app: string
  readonly epoch: number
  /** Digest of the release in hex. */
  readonly release: string
  readonly modules: readonly CellModule[]
  /** Those that others call come before their callers. */
  readonly instances: readonly CellInstance[]
  /** Whether one of its modules runs only as a whole component, so that the cell takes a process of its own. */
  readonly components: boolean
  /** By instance; null where it has no timer. */
  readonly timersMs: readonly (number | null)[]
  /** Those of its instances that run only under a lease: then the cell does. Absent for none. */
  readonly leased?: readonly InstanceKey[]
}

/** How long `restore` took, and how much there was to restore; of all instances together. */
export interface Rehearsal {
  readonly restoreMs: number
  readonly stateBytes: number
}

export interface TurnPorts {
  readonly clock: Clock
  readonly options: SandboxOptions
  readonly durable: Durable
  /** A worker that has no cell yet. */
  worker(): CellWorker
  /** Journals one turn. */
  commit(turn: readonly TurnRecord[]): void
  ask(instance: number, ask: Ask, leftMs: number): unknown
  throttled(instance: number, dropped: InstanceEffects['throttled']): void
  /** An input is journaled as handled. `again`: it was so before, and must not have run. */
  handled(instance: number, input: InputId, again: boolean): void
  /** The worker ended while it had nothing to do. */
  died(error: HyphaError): void
}

/** Making instances may take this long, and so many times what it took when they were loaded. */
const makingMs = 1_000
const makingFactor = 10

const stateExport = /^hypha:module\/state@/
const lifecycleExport = /^hypha:module\/lifecycle@/

/**
 * Runs the turns of one cell in its worker, one at a time, each journaled when its method returns. What a method throws has ended the turn, and its
 * effects with it.
 */
export class TurnRunner {
  readonly #spec: CellSpec
  readonly #ports: TurnPorts
  /** Names turns that no input caused. */
  readonly #nonce = toHex(crypto.getRandomValues(new Uint8Array(8)))
  readonly #turns: number[]
  #worker: CellWorker | null = null
  #loaded: readonly LoadedInstance[] = []
  #number = 0
  /** Turns since the last checkpoint of the cell's instances. */
  #uncheckpointed = 0
  #checkpointedAt: number
  /** What is journaled later, together with what others leave behind. */
  #withheld: TurnRecord[] | null = null
  /** Another release runs in its place: what the instances hold is not theirs any more. */
  #retired = false

  constructor(spec: CellSpec, ports: TurnPorts) {
    this.#spec = spec
    this.#ports = ports
    this.#turns = spec.instances.map(() => 0)
    this.#checkpointedAt = ports.clock.monotonic()
  }

  /** How many turns an instance has finished. */
  turnsOf(instance: number): number {
    return this.#turns[instance]!
  }

  /** Compiles the modules in a worker, and tries that they can be instantiated. Throws `module-unloadable`, `cell-died` or `turn-deadline`. */
  async load(): Promise<readonly LoadedInstance[]> {
    const worker = this.#ports.worker()
    this.#worker = worker
    worker.onAsk = (ask, leftMs) => this.#ports.ask(ask.instance, ask, leftMs)
    worker.onDeath = (error) => {
      if (this.#worker !== worker) return
      this.#worker = null
      this.#ports.died(error)
    }
    const { modules, instances } = this.#spec
    const answer = await worker.request({ kind: 'load', modules, instances }, this.#ports.options.loadMs)
    if (answer.kind !== 'loaded') throw unloadable(answer)
    this.#loaded = answer.instances
    return answer.instances
  }

  /** Loads the modules again where their worker has ended meanwhile. */
  async ready(): Promise<void> {
    if (this.#worker === null) await this.load()
  }

  /** Journals nothing from here on: what turns leave behind is kept for `release`. */
  withhold(): void {
    this.#withheld = []
  }

  /** Ends the withholding, and gives what was withheld. */
  release(): readonly TurnRecord[] {
    const withheld = this.#withheld ?? []
    this.#withheld = null
    return withheld
  }

  /** From here on nothing is journaled of what the instances hold: neither kv nor state. */
  retire(): void {
    this.#retired = true
  }

  /**
   * The state of each instance that has any, of which nothing is journaled.
   *
   * @throws HyphaError `turn-trapped`, `turn-deadline`, `cell-died`.
   */
  async peek(): Promise<{ readonly instance: InstanceKey; readonly release: string; readonly bytes: Uint8Array }[]> {
    const states = []
    for (const index of this.#withExport(stateExport)) {
      const answer = await this.#turn(index, { kind: 'save' }, { key: this.#nextKey(), home: null, checkpoint: false })
      const effects = answer.kind === 'done' ? answer.effects : []
      this.#finish(answer.kind === 'done' ? { ...answer, effects: effects.flatMap(withoutState) } : answer, index, null)
      const bytes = effects.find(({ instance }) => instance === index)?.state
      if (bytes) states.push({ instance: this.#spec.instances[index]!.key, release: this.#spec.release, bytes })
    }
    return states
  }

  /**
   * Restores states in throwaway instances; null where it isn't known whether that works.
   *
   * @throws HyphaError `state-refused`, `turn-trapped`, `turn-deadline`, `cell-died`.
   */
  async rehearse(stateOf: (instance: InstanceKey) => ReturnType<Durable['state']>): Promise<Rehearsal | null> {
    await this.ready()
    const states = this.#statesToRestore(stateOf)
    if (states.length === 0) return null
    const deadlineMs = this.#turnMsOf(states.map(({ instance }) => instance))
    const answer = await this.#request({ kind: 'rehearse', states }, deadlineMs)
    if (answer.kind !== 'rehearsed') throw outcomeOf(answer)
    if (answer.restoreMs === null) return null
    return { restoreMs: answer.restoreMs, stateBytes: states.reduce((sum, { state }) => sum + state.length, 0) }
  }

  /** Makes the instances, in a worker that has loaded them, gives them back their state, and starts them. */
  async start(): Promise<void> {
    await this.ready()
    const { durable } = this.#ports
    const remembered = this.#spec.instances.map(({ key }) => ({ kv: durable.kv(key) }))
    const states = this.#statesToRestore((key) => durable.state(key))
    const starts = this.#withExport(lifecycleExport)
    const key = this.#nextKey()
    this.#number++
    const makeMs = this.#loaded.reduce((sum, { instantiateMs }) => sum + makingFactor * instantiateMs, makingMs)
    const deadlineMs = makeMs + this.#turnMsOf([...states.map(({ instance }) => instance), ...starts])
    const answer = await this.#request({ kind: 'open', remembered, states, starts, key }, deadlineMs)
    this.#finish(answer, null, null)
    this.#checkpointed()
    for (const index of starts) this.#turns[index]!++
    this.#uncheckpointed = starts.length
  }

  #statesToRestore(stateOf: (instance: InstanceKey) => ReturnType<Durable['state']>): SavedState[] {
    return this.#withExport(stateExport).flatMap((instance) => {
      const state = stateOf(this.#spec.instances[instance]!.key)
      return state === null ? [] : [{ instance, release: state.release, state: state.bytes }]
    })
  }

  /** How long calls of these instances may take, one after the other. */
  #turnMsOf(instances: readonly number[]): number {
    return instances.reduce((sum, index) => sum + this.#limitsOf(index).turnMs, 0)
  }

  #limitsOf(instance: number) {
    return this.#spec.modules[this.#spec.instances[instance]!.module]!.limits
  }

  tick(instance: number): Promise<void> {
    return this.#run(instance, { kind: 'tick', nowMs: this.#ports.clock.now() }).then(nothing)
  }

  deliver(instance: number, { id, topic, payload, publisher = null }: InboxInput): Promise<void> {
    return this.#run(instance, { kind: 'deliver', topic, payload }, { input: id, home: publisher }).then(nothing)
  }

  /**
   * Runs a call of a link, and answers what comes of it. What its turn leaves behind is journaled then; `begin` writes down before that it begins, and throws what keeps it from that.
   * Throws as `deliver` does.
   */
  async call(
    instance: number,
    { id, interface: name, func, args, home }: LinkedCall,
    begin: () => void,
  ): Promise<CallOutcome> {
    const call = { kind: 'call' as const, interface: name, func, args }
    let refusal: CallOutcome | null = null
    const first = (): boolean => {
      try {
        begin()
      } catch (thrown) {
        const { code, message } = asHyphaError(thrown)
        refusal = failed(code, message)
      }
      return refusal === null
    }
    const answer = await this.#run(instance, call, { key: toHex(id), home, first })
    if (refusal !== null) return refusal
    if (answer.kind === 'done' && answer.outcome !== undefined) return answer.outcome
    throw new HyphaError('internal', 'the worker answered a call without its outcome')
  }

  /** Journals that an input is given up. */
  giveUp(instance: number, input: InputId): void {
    this.#commit([], instance, input, 'failed')
  }

  /** A checkpoint of each instance that has state. */
  async save(): Promise<void> {
    for (const index of this.#withExport(stateExport)) await this.#run(index, { kind: 'save' })
  }

  /** The last call of each instance; the callers first, as they may still call the others. */
  async tellStop(): Promise<void> {
    for (const index of this.#withExport(lifecycleExport).reverse()) await this.#run(index, { kind: 'stop' })
  }

  /** Ends the worker, whatever it does. */
  async end(): Promise<void> {
    const worker = this.#worker
    this.#worker = null
    await worker?.end()
  }

  /** How many turns the state goes back when the instances are made anew now. */
  get turnsToLose(): number {
    return this.#withExport(stateExport).length > 0 ? this.#uncheckpointed : 0
  }

  async #run(instance: number, call: TurnCall, cause: Cause = {}): Promise<Answer> {
    const { input = null, home = null } = cause
    const key = cause.key ?? (input === null ? this.#nextKey() : `${toHex(input.source)}-${input.number}`)
    const checkpoint = !this.#retired && this.#checkpointDue()
    const answer = await this.#turn(instance, call, { key, home, checkpoint }, cause.first)
    if (answer.kind === 'skipped') return answer
    this.#finish(answer, instance, input)
    this.#turns[instance]!++
    this.#uncheckpointed++
    if (checkpoint) this.#checkpointed()
    return answer
  }

  #nextKey(): string {
    return `${this.#nonce}-${this.#number + 1}`
  }

  /** A device's own instance has that device as its turn's home, whoever calls it. */
  #turn(
    instance: number,
    call: TurnCall,
    how: { key: string; home: string | null; checkpoint: boolean },
    first?: () => boolean,
  ): Promise<Answer> {
    const number = ++this.#number
    const home = this.#spec.instances[instance]!.key.home ?? how.home
    return this.#request({ kind: 'turn', number, instance, call, ...how, home }, this.#limitsOf(instance).turnMs, first)
  }

  #request(message: ToWorker, deadlineMs: number, first?: () => boolean): Promise<Answer> {
    if (this.#worker === null) throw new HyphaError('cell-died', 'the cell has no worker')
    return this.#worker.request(message, deadlineMs, first)
  }

  /** Journals what a turn left behind, or throws what ended it. */
  #finish(answer: Answer, instance: number | null, input: InputId | null): void {
    if (answer.kind === 'trapped') this.#commit(answer.effects, instance, null, 'failed')
    if (answer.kind !== 'done') throw outcomeOf(answer)
    this.#commit(answer.effects, instance, input, 'ok')
  }

  #commit(
    effects: readonly InstanceEffects[],
    instance: number | null,
    input: InputId | null,
    outcome: TurnRecord['outcome'],
  ): void {
    const { instances, epoch, release } = this.#spec
    const records = effects
      .filter(({ instance: index }) => input === null || index !== instance)
      .map((entry) => toRecord(instances[entry.instance]!.key, { epoch, release, input: null, outcome }, entry))
    if (instance !== null && input !== null) {
      const own = effects.find(({ instance: index }) => index === instance)
      records.unshift(toRecord(instances[instance]!.key, { epoch, release, input, outcome }, own))
    }
    const { durable, commit, handled } = this.#ports
    const again = instance !== null && input !== null && isHandled(durable, instances[instance]!.key, input)
    if (this.#withheld !== null) this.#withheld.push(...records)
    else if (records.length > 0) commit(this.#retired ? records.map(withoutContent) : records)
    if (instance !== null && input !== null) handled(instance, input, again)
    for (const entry of effects) this.#ports.throttled(entry.instance, entry.throttled)
  }

  #checkpointDue(): boolean {
    const { clock, options } = this.#ports
    const due =
      this.#uncheckpointed + 1 >= options.checkpointTurns ||
      clock.monotonic() - this.#checkpointedAt >= options.checkpointMs
    return due && this.#withExport(stateExport).length > 0
  }

  #checkpointed(): void {
    this.#uncheckpointed = 0
    this.#checkpointedAt = this.#ports.clock.monotonic()
  }

  #withExport(interfaceName: RegExp): number[] {
    return this.#loaded.flatMap(({ exports }, index) =>
      exports.some((name) => interfaceName.test(name)) ? [index] : [],
    )
  }
}

/** What a turn comes from: an input, or the call of a link with the device that its caller's turn belongs to; neither for a tick. */
interface Cause {
  readonly input?: InputId
  readonly key?: string
  readonly home?: string | null
  /** What is done before the turn begins; false keeps it from that. */
  readonly first?: () => boolean
}

const nothing = (): void => undefined

const isHandled = (durable: Durable, instance: InstanceKey, { source, number }: InputId): boolean =>
  number <= durable.handled(instance, source)

/** Nothing, where there is nothing else. */
function withoutState(effects: InstanceEffects): InstanceEffects[] {
  const { samples, logs, messages, kv, throttled } = effects
  const others = samples.length + logs.length + messages.length + kv.length
  const dropped = throttled.samples + throttled.messages + throttled.logs
  return others + dropped > 0 ? [{ ...effects, state: null }] : []
}

const withoutContent = (record: TurnRecord): TurnRecord => ({ ...record, kv: [], state: null })

/** What ended a turn. */
function outcomeOf(answer: Answer): HyphaError {
  if (answer.kind === 'trapped') return new HyphaError('turn-trapped', answer.text)
  if (answer.kind !== 'refused') return unloadable(answer)
  return new HyphaError('state-refused', `the module refuses the state: ${answer.reason.slice(0, 500)}`)
}

function unloadable(answer: Answer): HyphaError {
  if (answer.kind === 'failed') return new HyphaError(answer.error.code, answer.error.message, answer.error)
  if (answer.kind === 'trapped') {
    return new HyphaError('module-unloadable', `the module traps as it is made: ${answer.text}`)
  }
  return new HyphaError('internal', `the worker answered "${answer.kind}"`)
}
