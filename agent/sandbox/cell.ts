import { toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { InstanceState } from '@hypha/core/wire/messages/state.ts'
import type { InboxInput, InputId, InstanceKey, NodeEvent, TurnRecord } from '../turns.ts'
import { Backoff } from './backoff.ts'
import type { SandboxOptions } from './options.ts'
import type { CellInstance, CellModule, InstanceEffects, LoadedInstance, TurnCall } from './protocol.ts'
import { type Job, JobQueue } from './queue.ts'
import { toRecord } from './records.ts'
import { ThrottleReport } from './throttle-report.ts'
import { startTicker } from './ticker.ts'
import type { Answer, Ask, WorkerThread } from './worker-thread.ts'

/** What the agent remembers of its instances, across restarts and releases. */
export interface Durable {
  kv(instance: InstanceKey): ReadonlyMap<string, Uint8Array>
  /** The last checkpoint. */
  state(instance: InstanceKey): { readonly release: string; readonly bytes: Uint8Array } | null
  /** The highest number of a source whose input is journaled as handled; −1 where there is none. */
  handled(instance: InstanceKey, source: Uint8Array): number
}

export interface CellSpec {
  readonly app: string
  readonly epoch: number
  /** Digest of the release in hex. */
  readonly release: string
  readonly modules: readonly CellModule[]
  /** Those that others call come before their callers. */
  readonly instances: readonly CellInstance[]
  /** By instance; null where it has no timer. */
  readonly timersMs: readonly (number | null)[]
}

/** What a cell needs of the agent. */
export interface CellPorts {
  readonly clock: Clock
  readonly options: SandboxOptions
  readonly durable: Durable
  thread(): WorkerThread
  commit(turn: readonly TurnRecord[]): void
  event(event: NodeEvent): void
  ask(instance: number, ask: Ask, leftMs: number): unknown
  changed(): void
  room(instance: InstanceKey): void
}

export interface CellHealth {
  turns: number
  traps: number
  deadlines: number
  restarts: number
  missedTicks: number
  failedInputs: number
}

const stateExport = /^hypha:module\/state@/
const lifecycleExport = /^hypha:module\/lifecycle@/

interface Counters {
  turns: number
  readonly throttle: ThrottleReport
  /** By source in hex: the highest number that was queued or handled. */
  readonly accepted: Map<string, number>
}

/**
 * One app's linked instances on this node: one worker, one fate. Runs one turn at a time, and journals each before the next begins. A trap, a
 * deadline or the end of the worker ends them all; they are made anew after a while.
 */
export class Cell {
  readonly spec: CellSpec
  readonly health: CellHealth = { turns: 0, traps: 0, deadlines: 0, restarts: 0, missedTicks: 0, failedInputs: 0 }
  readonly #ports: CellPorts
  readonly #queue: JobQueue
  readonly #counters: readonly Counters[]
  readonly #backoff: Backoff
  /** Names turns that no input caused. */
  readonly #nonce = toHex(crypto.getRandomValues(new Uint8Array(8)))
  #status: InstanceState['status'] = 'stopped'
  #thread: WorkerThread | null = null
  #loaded: readonly LoadedInstance[] | null = null
  #stopTickers: (() => void)[] = []
  /** Ends when nothing is left to do, or the cell stops. */
  #loop: Promise<void> = Promise.resolve()
  #working = false
  #stopping = false
  #turn = 0
  /** Turns since the last checkpoint of the cell's instances. */
  #uncheckpointed = 0
  #checkpointedAt: number
  #error: string | null = null

  constructor(spec: CellSpec, ports: CellPorts) {
    const { clock, options } = ports
    this.spec = spec
    this.#ports = ports
    this.#checkpointedAt = clock.monotonic()
    this.#queue = new JobQueue(options.waitingInputs)
    this.#backoff = new Backoff(clock, options)
    this.#counters = spec.instances.map(({ key }) => ({
      turns: 0,
      throttle: new ThrottleReport(clock, options.throttleEventMs, (text) => this.#event('throttled', text, key)),
      accepted: new Map(),
    }))
  }

  /** Compiles the modules in a worker, and tries that they can be instantiated. Throws `module-unloadable`, `cell-died` or `turn-deadline`. */
  async load(): Promise<readonly LoadedInstance[]> {
    const thread = this.#ports.thread()
    this.#thread = thread
    thread.onAsk = (ask, leftMs) => this.#ports.ask(ask.instance, ask, leftMs)
    thread.onDeath = (error) => {
      if (this.#thread !== thread) return
      this.#thread = null
      // One that only stands by is made again when it is needed.
      if (this.#status === 'running') this.#fail(error, null)
    }
    const { modules, instances } = this.spec
    const answer = await thread.request({ kind: 'load', modules, instances }, this.#ports.options.loadMs)
    if (answer.kind !== 'loaded') throw unloadable(answer)
    this.#loaded = answer.instances
    return answer.instances
  }

  /** Makes the instances, gives them back their state, and starts them. Throws what kept them from starting; then nothing runs. */
  async open(): Promise<void> {
    this.#stopping = false
    this.#setStatus('starting', this.#error)
    const failure = await this.#started()
    if (failure === null) return this.#run()
    await this.abandon(failure)
    throw failure
  }

  /** Ends a cell of an app that could not start as a whole. */
  async abandon(failure: HyphaError): Promise<void> {
    this.#stopping = true
    this.#backoff.cancel()
    this.#stopTicking()
    await this.#endThread()
    this.#setStatus('failed', failure.message)
  }

  deliver(instance: number, input: InboxInput): 'queued' | 'full' | 'done' {
    const { accepted } = this.#counters[instance]!
    const source = toHex(input.id.source)
    const handled = this.#ports.durable.handled(this.spec.instances[instance]!.key, input.id.source)
    if (input.id.number <= handled) return 'done'
    if (input.id.number <= (accepted.get(source) ?? -1)) return 'queued'
    if (!this.#queue.addInput(instance, input)) return 'full'
    accepted.set(source, input.id.number)
    this.#pump()
    return 'queued'
  }

  states(): InstanceState[] {
    return this.spec.instances.map(({ key }, index) => ({
      module: key.module,
      home: key.home,
      status: this.#status,
      restarts: this.health.restarts,
      turns: this.#counters[index]!.turns,
      error: this.#error,
    }))
  }

  /**
   * Finishes the running turn, saves where asked, tells the modules, and ends the worker. Answers the inputs that no turn was given to. Where
   * a `save` fails it throws, and the cell goes on.
   */
  async stop(options: {
    readonly save: boolean
  }): Promise<{ readonly instance: number; readonly input: InboxInput }[]> {
    this.#stopping = true
    await this.#loop
    if (this.#status === 'running') {
      if (options.save) await this.#saveAll()
      await this.#tellStop()
    }
    this.#backoff.cancel()
    this.#stopTicking()
    await this.#endThread()
    this.#setStatus('stopped', null)
    for (const { throttle, accepted } of this.#counters) {
      throttle.stop()
      accepted.clear()
    }
    return this.#queue.drain()
  }

  /** Null when the instances have started. A stop that comes meanwhile waits for it, as it waits for a turn. */
  async #started(): Promise<HyphaError | null> {
    const starting = this.#start().then(
      () => null,
      (thrown) => asHyphaError(thrown),
    )
    this.#loop = starting.then(() => undefined)
    return await starting
  }

  async #start(): Promise<void> {
    if (this.#thread === null) await this.load()
    const { instances } = this.spec
    const { durable, options } = this.#ports
    const remembered = instances.map(({ key }) => ({ kv: durable.kv(key) }))
    this.#finish(await this.#request({ kind: 'open', remembered }, options.loadMs), null, null)
    for (const [index, { key }] of instances.entries()) {
      const state = this.#exports(index, stateExport) ? durable.state(key) : null
      if (state === null) continue
      await this.#runTurn(index, { kind: 'restore', release: state.release, state: state.bytes }, null)
    }
    this.#uncheckpointed = 0
    this.#checkpointedAt = this.#ports.clock.monotonic()
    for (const index of instances.keys()) {
      if (this.#exports(index, lifecycleExport)) await this.#runTurn(index, { kind: 'start' }, null)
    }
  }

  /** The cell has started: timers begin, and what waits is worked on. */
  #run(): void {
    this.#setStatus('running', this.#error)
    this.#backoff.opened()
    this.#stopTickers = this.spec.timersMs.flatMap((periodMs, instance) => {
      if (periodMs === null) return []
      const tick = (missed: number): void => {
        this.health.missedTicks += missed
        if (!this.#queue.addTick(instance)) this.health.missedTicks++
        this.#pump()
      }
      return [startTicker(this.#ports.clock, periodMs, tick)]
    })
    this.#pump()
  }

  #pump(): void {
    if (this.#working || this.#status !== 'running' || this.#stopping) return
    this.#working = true
    this.#loop = this.#work()
  }

  async #work(): Promise<void> {
    while (this.#status === 'running' && !this.#stopping) {
      const job = this.#queue.take()
      if (job === null) break
      const madeRoom = job.kind === 'deliver' && this.#queue.madeRoom(job.instance)
      try {
        if (job.kind === 'tick')
          await this.#runTurn(job.instance, { kind: 'tick', nowMs: this.#ports.clock.now() }, null)
        else await this.#runTurn(job.instance, { kind: 'deliver', ...job.input }, job.input.id)
      } catch (thrown) {
        this.#fail(asHyphaError(thrown), job)
      }
      if (madeRoom && !this.#queue.isFull(job.instance)) this.#ports.room(this.spec.instances[job.instance]!.key)
    }
    // In the same step as the look into the queue: what is queued later begins a new loop.
    this.#working = false
  }

  /** One turn, journaled when this returns. Throws what ended it. */
  async #runTurn(instance: number, call: TurnCall, input: InputId | null): Promise<void> {
    const number = ++this.#turn
    const key = input === null ? `${this.#nonce}-${number}` : `${toHex(input.source)}-${input.number}`
    const checkpoint = call.kind !== 'restore' && this.#checkpointDue()
    const { limits } = this.spec.modules[this.spec.instances[instance]!.module]!
    const answer = await this.#request({ kind: 'turn', number, instance, call, key, checkpoint }, limits.turnMs)
    this.#finish(answer, instance, input)
    this.#counters[instance]!.turns++
    this.health.turns++
    if (checkpoint) {
      this.#uncheckpointed = 0
      this.#checkpointedAt = this.#ports.clock.monotonic()
    } else this.#uncheckpointed++
  }

  #request(message: Parameters<WorkerThread['request']>[0], deadlineMs: number): Promise<Answer> {
    if (this.#thread === null) throw new HyphaError('cell-died', 'the cell has no worker')
    return this.#thread.request(message, deadlineMs)
  }

  /** Journals what a turn left behind, or throws what ended it. */
  #finish(answer: Answer, instance: number | null, input: InputId | null): void {
    if (answer.kind === 'refused') {
      throw new HyphaError('state-refused', `the module refuses the state: ${answer.reason.slice(0, 500)}`)
    }
    if (answer.kind === 'trapped') {
      this.#commit(answer.effects, instance, null, 'failed')
      throw new HyphaError('turn-trapped', answer.text)
    }
    if (answer.kind !== 'done') throw unloadable(answer)
    this.#commit(answer.effects, instance, input, 'ok')
  }

  #commit(
    effects: readonly InstanceEffects[],
    instance: number | null,
    input: InputId | null,
    outcome: TurnRecord['outcome'],
  ): void {
    const { instances, epoch, release } = this.spec
    const records = effects
      .filter(({ instance: index }) => input === null || index !== instance)
      .map((entry) => toRecord(instances[entry.instance]!.key, { epoch, release, input: null, outcome }, entry))
    if (instance !== null && input !== null) {
      const own = effects.find(({ instance: index }) => index === instance)
      records.unshift(toRecord(instances[instance]!.key, { epoch, release, input, outcome }, own))
    }
    if (records.length > 0) this.#ports.commit(records)
    for (const entry of effects) this.#counters[entry.instance]!.throttle.add(entry.throttled)
  }

  #checkpointDue(): boolean {
    const { checkpointTurns, checkpointMs } = this.#ports.options
    const due =
      this.#uncheckpointed + 1 >= checkpointTurns ||
      this.#ports.clock.monotonic() - this.#checkpointedAt >= checkpointMs
    return due && this.#stateful()
  }

  #stateful(): boolean {
    return this.#loaded?.some((_, instance) => this.#exports(instance, stateExport)) ?? false
  }

  /** All instances end; the input that was tried is tried once more in the new ones, then given up. */
  #fail(error: HyphaError, job: Job | null): void {
    if (error.code === 'turn-deadline') this.health.deadlines++
    else this.health.traps++
    const key = job === null ? null : this.spec.instances[job.instance]!.key
    this.#event(eventCode(error), `${error.message}${this.#lostTurns()}`, key)
    this.#queue.dropTicks()
    if (job?.kind === 'deliver') this.#failInput(error, job)
    this.#restart(error)
  }

  #failInput(error: HyphaError, job: Extract<Job, { kind: 'deliver' }>): void {
    const attempted = error.code === 'turn-trapped' || error.code === 'turn-deadline' || error.code === 'cell-died'
    if (!attempted || job.attempt === 1) {
      this.#queue.putBack(attempted ? { ...job, attempt: 2 } : job)
      return
    }
    try {
      this.#commit([], job.instance, job.input.id, 'failed')
    } catch (thrown) {
      this.#event('journal-failed', asHyphaError(thrown).message, null)
      this.#queue.putBack(job)
      return
    }
    this.health.failedInputs++
    const what = `an input on "${job.input.topic}" failed twice and is given up`
    this.#event('input-failed', what, this.spec.instances[job.instance]!.key)
  }

  #restart(error: HyphaError): void {
    this.#stopTicking()
    void this.#endThread()
    const waitMs = this.#backoff.failed(() => void this.#reopen())
    this.#setStatus('backoff', `${error.message}; tried again after ${Math.round(waitMs / 1_000)} s`)
  }

  async #reopen(): Promise<void> {
    if (this.#stopping) return
    this.health.restarts++
    this.#setStatus('starting', this.#error)
    const failure = await this.#started()
    if (failure === null) this.#run()
    else this.#fail(failure, null)
  }

  async #saveAll(): Promise<void> {
    try {
      for (const index of this.spec.instances.keys()) {
        if (this.#exports(index, stateExport)) await this.#runTurn(index, { kind: 'save' }, null)
      }
    } catch (thrown) {
      const error = asHyphaError(thrown)
      this.#stopping = false
      this.#fail(error, null)
      throw error
    }
  }

  /** The callers first, as they may still call the others. */
  async #tellStop(): Promise<void> {
    for (const index of [...this.spec.instances.keys()].reverse()) {
      if (!this.#exports(index, lifecycleExport)) continue
      try {
        await this.#runTurn(index, { kind: 'stop' }, null)
      } catch (thrown) {
        const error = asHyphaError(thrown)
        this.#event(eventCode(error), `while stopping: ${error.message}`, this.spec.instances[index]!.key)
        return
      }
    }
  }

  async #endThread(): Promise<void> {
    const thread = this.#thread
    this.#thread = null
    await thread?.end()
  }

  #stopTicking(): void {
    for (const stop of this.#stopTickers) stop()
    this.#stopTickers = []
  }

  #exports(instance: number, interfaceName: RegExp): boolean {
    return this.#loaded?.[instance]?.exports.some((name) => interfaceName.test(name)) ?? false
  }

  #lostTurns(): string {
    const lost = this.#uncheckpointed
    this.#uncheckpointed = 0
    return lost > 0 && this.#stateful() ? `; the state goes back ${lost} turns, to the last checkpoint` : ''
  }

  #event(code: string, text: string, instance: InstanceKey | null): void {
    this.#ports.event({ instance: instance ?? { app: this.spec.app, module: null, home: null }, code, text })
  }

  #setStatus(status: InstanceState['status'], error: string | null): void {
    if (status === this.#status && error === this.#error) return
    this.#status = status
    this.#error = error?.slice(0, 1_000) ?? null
    this.#ports.changed()
  }
}

function eventCode(error: HyphaError): string {
  if (error.code === 'turn-trapped') return 'trapped'
  if (error.code === 'turn-deadline') return 'deadline'
  return error.code
}

function unloadable(answer: Answer): HyphaError {
  if (answer.kind === 'failed') return new HyphaError(answer.error.code, answer.error.message, answer.error)
  if (answer.kind === 'trapped')
    return new HyphaError('module-unloadable', `the module traps as it is made: ${answer.text}`)
  return new HyphaError('internal', `the worker answered "${answer.kind}"`)
}
