import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import type { InstanceState } from '@hypha/core/wire/messages/state.ts'
import { shortageIn } from '@hypha/core/wire/shortage.ts'
import type { LeaseGate } from '../lease-gate.ts'
import { failed } from '../linked-calls.ts'
import type { PendingCall } from '../pending-call.ts'
import type { InboxInput, InputId, InstanceKey, NodeEvent, TurnRecord } from '../turns.ts'
import { Acceptance } from './acceptance.ts'
import { Backoff } from './backoff.ts'
import { CellLease } from './cell-lease.ts'
import type { Ask } from './cell-worker.ts'
import type { KeptTimers } from './kept-timers.ts'
import type { LoadedInstance } from './protocol.ts'
import { type Job, JobQueue } from './queue.ts'
import { refusalOf } from './served-call.ts'
import { MissedTicksReport, ThrottleReport } from './throttle-report.ts'
import { startTicker, type TickerPhase } from './ticker.ts'
import { type CellSpec, type Durable, type Rehearsal, type TurnPorts, TurnRunner } from './turn-runner.ts'

/** What a cell needs of the agent. */
export interface CellPorts extends Omit<TurnPorts, 'throttled' | 'died' | 'ask'> {
  /** `path`: the cells that wait for the answer. */
  ask(instance: number, ask: Ask, leftMs: number, path: readonly string[]): unknown
  event(event: NodeEvent): void
  /** The status of the cell's instances is another one. */
  changed(): void
  /** An instance whose inputs were answered with `full` takes more. */
  room(instance: InstanceKey): void
  readonly timers: KeptTimers
  /** Under which its instances run; null or absent where they need none. */
  readonly lease?: LeaseGate | null
}

/** Counts since the app was prepared. */
export interface CellHealth {
  turns: number
  traps: number
  deadlines: number
  restarts: number
  missedTicks: number
  failedInputs: number
}

/** An input that got no turn. */
interface Left {
  readonly instance: number
  readonly input: InboxInput
}

/** What a cell gives to what runs in its place. */
export interface HandedOver {
  /** In order. */
  readonly jobs: readonly Job[]
  readonly accepted: readonly Acceptance[]
  /** By instance. */
  readonly timers: ReadonlyMap<number, TickerPhase>
}

/** What a saved state is, and whose. */
export type Peeked = Awaited<ReturnType<TurnRunner['peek']>>

/**
 * One app's linked instances on this node: one worker, one fate. Gives them their turns in the order of what is due; a trap, a deadline or the end
 * of the worker ends them all, and they are made anew after a while.
 */
export class Cell {
  readonly spec: CellSpec
  readonly #counts = { traps: 0, deadlines: 0, restarts: 0, missedTicks: 0, failedInputs: 0 }
  readonly #ports: CellPorts
  readonly #turns: TurnRunner
  readonly #queue: JobQueue
  readonly #backoff: Backoff
  readonly #throttles: readonly ThrottleReport[]
  readonly #missed: readonly MissedTicksReport[]
  /** By instance. */
  readonly #accepted: readonly Acceptance[]
  #status: InstanceState['status'] = 'stopped'
  #error: string | null = null
  /** By instance: what stops it. */
  readonly #tickers = new Map<number, () => TickerPhase>()
  /** Ends when nothing is left to do, or the cell stops. */
  #loop: Promise<void> = Promise.resolve()
  #working = false
  #stopping = false
  /** No turn begins, but all that waits stays. */
  #held = false
  #reopenDue = false
  #current: Job | null = null
  readonly #lease: CellLease

  constructor(spec: CellSpec, ports: CellPorts) {
    const { clock, options } = ports
    this.spec = spec
    this.#ports = ports
    this.#queue = new JobQueue(options.waitingInputs)
    this.#backoff = new Backoff(clock, options)
    this.#accepted = spec.instances.map(() => new Acceptance())
    this.#throttles = spec.instances.map(
      ({ key }) => new ThrottleReport(clock, options.throttleEventMs, (text) => this.#event('throttled', text, key)),
    )
    this.#missed = spec.instances.map(
      ({ key }) =>
        new MissedTicksReport(clock, options.throttleEventMs, (text) => this.#event('ticks-missed', text, key)),
    )
    this.#lease = new CellLease(ports.lease ?? null, { gained: () => this.#resume(), lost: () => this.#suspend() })
    this.#turns = new TurnRunner(spec, {
      ...ports,
      commit: (turn) => {
        this.#lease.check()
        ports.commit(turn)
      },
      ask: (instance, ask, leftMs) => {
        this.#lease.check()
        return ports.ask(instance, ask, leftMs, this.#path())
      },
      throttled: (instance, dropped) => this.#throttles[instance]!.add(dropped),
      // One that only stands by is made again when it is needed.
      died: (error) => this.#status === 'running' && this.#fail(error, null),
    })
  }

  get health(): CellHealth {
    const turns = this.spec.instances.reduce((sum, _, instance) => sum + this.#turns.turnsOf(instance), 0)
    return { turns, ...this.#counts }
  }

  /** Compiles the modules in a worker, and tries that they can be instantiated. Throws `module-unloadable`, `cell-died` or `turn-deadline`. */
  load(): Promise<readonly LoadedInstance[]> {
    return this.#turns.load()
  }

  /** Loads the modules again where their worker has ended meanwhile. Throws as `load` does. */
  ready(): Promise<void> {
    return this.#turns.ready()
  }

  /** Makes the instances, gives them back their state, and starts them. Throws what kept them from starting; then nothing runs. */
  async open(): Promise<void> {
    await this.start()
    this.proceed()
  }

  /** The same, but they get no turn until `proceed`. */
  async start(): Promise<void> {
    this.#stopping = false
    this.#lease.watch()
    if (!this.#lease.held) return this.#setStatus('waiting', null)
    this.#lease.use()
    this.#setStatus('starting', this.#error)
    const failure = await this.#start()
    // Its lease may have run out meanwhile: then it starts when there is another.
    if (failure === null || this.#status === 'waiting') return
    await this.abandon(failure)
    throw failure
  }

  /** Takes over what waits for its instances, by their index here, and gives them their turns. */
  proceed(jobs: readonly Job[] = [], timers: ReadonlyMap<number, TickerPhase> = new Map()): void {
    const own = new Set(this.#queue.inputs().map(({ instance, input }) => idText(instance, input.id)))
    const fresh = (job: Job) =>
      job.kind !== 'deliver' ||
      !(own.has(idText(job.instance, job.input.id)) || this.#isHandled(job.instance, job.input))
    this.#queue.putFirst(jobs.filter(fresh))
    this.#lease.proceed()
    if (this.#status !== 'waiting') this.#run(timers)
    else if (this.#lease.held) this.#resume()
  }

  /** Turns leave nothing in the journal until `release` is called, which answers what they would have. */
  withhold(): void {
    this.#turns.withhold()
  }

  release(): readonly TurnRecord[] {
    return this.#turns.release()
  }

  /** The running turn ends, and none begins until `resume`; inputs and ticks wait. */
  async hold(): Promise<void> {
    this.#held = true
    await this.#loop
  }

  resume(): void {
    this.#held = false
    const due = this.#reopenDue
    this.#reopenDue = false
    if (due) this.#reopen()
    else this.#pump()
  }

  /** Saves while it is held. Where a module's `save` fails it throws, and the cell is made anew; where that can't be journaled it throws, and the cell goes on. */
  async save(): Promise<void> {
    if (this.#status === 'running') await this.#save()
  }

  /** What each instance with state would save now; empty where it doesn't run. Throws what the module fails with. */
  async peek(): Promise<Peeked> {
    if (this.#status !== 'running') return []
    await this.hold()
    try {
      if (this.#status !== 'running') return []
      const peeking = this.#turns.peek()
      this.#loop = settled(peeking)
      return await peeking
    } catch (thrown) {
      const error = asHyphaError(thrown)
      if (isModulesFault(error)) this.#fail(error, null)
      throw error
    } finally {
      this.resume()
    }
  }

  /** Tries whether its instances can restore these states. See `TurnRunner.rehearse`. */
  rehearse(stateOf: (instance: InstanceKey) => ReturnType<Durable['state']>): Promise<Rehearsal | null> {
    return this.#turns.rehearse(stateOf)
  }

  /** While it is held: gives all that waits to what runs in its place, and begins no turn any more. */
  handOver(): HandedOver {
    this.#stopping = true
    this.#lease.unwatch()
    this.#backoff.cancel()
    return { jobs: this.#queue.takeAll(), accepted: this.#accepted, timers: this.#stopTickers() }
  }

  /** Knows what another cell has taken for one of its instances. */
  follow(instance: number, accepted: Acceptance): void {
    this.#accepted[instance]!.follow(accepted)
  }

  /** After `handOver`: tells the modules, and ends the worker. */
  async retire(): Promise<void> {
    this.#turns.retire()
    await this.#finish()
  }

  /** Gives up the inputs that wait. */
  drain(): readonly Left[] {
    for (const accepted of this.#accepted) accepted.clear()
    return this.#queue.drain()
  }

  /** The inputs that wait, and the one that runs. */
  waiting(): readonly Left[] {
    const running = this.#current?.kind === 'deliver' ? [this.#current] : []
    return [...running, ...this.#queue.inputs()]
  }

  /** Ends a cell of an app that could not start as a whole. */
  async abandon(failure: HyphaError): Promise<void> {
    this.#stopping = true
    this.#lease.unwatch()
    await this.#end()
    this.#lease.letGo()
    this.#setStatus('failed', failure.message)
  }

  deliver(instance: number, input: InboxInput): 'queued' | 'full' | 'done' {
    const accepted = this.#accepted[instance]!
    if (this.#isHandled(instance, input)) return 'done'
    if (accepted.isTaken(input.id)) return 'queued'
    if (accepted.mustWait(input.id)) return 'full'
    if (!this.#queue.addInput(instance, input)) {
      accepted.refuse(input.id)
      return 'full'
    }
    accepted.take(input.id)
    this.#pump()
    return 'queued'
  }

  /** Queues a call of a link; `absent` where nothing runs here. */
  call(instance: number, pending: PendingCall): 'queued' | 'busy' | 'absent' {
    if (this.#status === 'stopped' || this.#status === 'failed' || this.#status === 'waiting') return 'absent'
    if (!this.#queue.addCall(instance, pending)) return 'busy'
    this.#pump()
    return 'queued'
  }

  /** Throws what ended the turn. */
  async #answer({ instance, pending }: Extract<Job, { kind: 'call' }>): Promise<void> {
    if (pending.settled) return
    const { call } = pending
    const { world } = this.spec.modules[this.spec.instances[instance]!.module]!
    const refused = refusalOf(call, world)
    if (refused !== null) return pending.settle(refused)
    pending.settle(await this.#turns.call(instance, call, () => pending.begin()))
  }

  /** The cells that wait for what this one calls now. */
  #path(): readonly string[] {
    const current = this.#current
    return [...(current?.kind === 'call' ? current.pending.call.path : []), this.spec.name]
  }

  #isHandled(instance: number, { id: { source, number } }: InboxInput): boolean {
    return number <= this.#ports.durable.handled(this.spec.instances[instance]!.key, source)
  }

  states(): InstanceState[] {
    return this.spec.instances.map(({ key: { module, home } }, index) => ({
      module,
      home,
      status: this.#status,
      restarts: this.#counts.restarts,
      turns: this.#turns.turnsOf(index),
      error: this.#error,
    }))
  }

  /**
   * Finishes the running turn, saves where asked, tells the modules, and ends the worker. The inputs that no turn was given to are left for `drain`. Where
   * a `save` fails it throws, and the cell goes on.
   */
  async stop(options: { readonly save: boolean }): Promise<void> {
    this.#stopping = true
    this.#lease.unwatch()
    await this.#loop
    if (options.save && this.#status === 'running' && this.#lease.held) await this.#save()
    await this.#finish()
  }

  async #finish(): Promise<void> {
    if (this.#status === 'running') {
      await this.#turns.tellStop().catch((thrown) => {
        const error = asHyphaError(thrown)
        this.#event(eventCode(error), `while stopping: ${error.message}`, null)
      })
    }
    this.#keepTimers()
    await this.#end()
    this.#lease.letGo()
    this.#setStatus('stopped', null)
    for (const report of [...this.#throttles, ...this.#missed]) report.stop()
    for (const accepted of this.#accepted) accepted.clear()
  }

  /** Null when the instances have started. A stop that comes meanwhile waits for it, as it waits for a turn. */
  async #start(): Promise<HyphaError | null> {
    const starting = this.#turns.start()
    this.#loop = settled(starting)
    return await starting.then(
      () => null,
      (thrown) => asHyphaError(thrown),
    )
  }

  /** The instances have started: timers begin, and what waits is worked on. */
  #run(timers: ReadonlyMap<number, TickerPhase> = new Map()): void {
    if (!this.#lease.held) {
      this.#suspend()
      return
    }
    this.#setStatus('running', this.#error)
    this.#backoff.opened()
    const { clock } = this.#ports
    for (const [instance, periodMs] of this.spec.timersMs.entries()) {
      if (periodMs === null) continue
      const kept = this.#ports.timers.resume(
        this.spec.instances[instance]!.key,
        periodMs,
        this.spec.release,
        clock.monotonic(),
      )
      const tick = (missed: number): void => {
        const lost = missed + (this.#queue.addTick(instance) ? 0 : 1)
        this.#counts.missedTicks += lost
        this.#missed[instance]!.add(lost)
        this.#pump()
      }
      this.#tickers.set(instance, startTicker(clock, periodMs, tick, timers.get(instance) ?? kept))
    }
    this.#pump()
  }

  #stopTickers(): ReadonlyMap<number, TickerPhase> {
    const phases = new Map([...this.#tickers].map(([instance, stop]) => [instance, stop()]))
    this.#tickers.clear()
    return phases
  }

  /** So that what runs in its place, here or elsewhere, ticks when it is due. A tick that waits for its turn is due still. */
  #keepTimers(): void {
    for (const [instance, { startedAt, next }] of this.#stopTickers()) {
      const periodMs = this.spec.timersMs[instance]!
      const dueAt = startedAt + (this.#queue.hasTick(instance) ? next - 1 : next) * periodMs
      this.#ports.timers.stopped(this.spec.instances[instance]!.key, { dueAt, periodMs }, this.spec.release)
    }
  }

  #pump(): void {
    if (this.#working || this.#status !== 'running' || this.#stopping || this.#held) return
    this.#working = true
    this.#loop = this.#work()
  }

  async #work(): Promise<void> {
    while (this.#status === 'running' && !this.#stopping && !this.#held) {
      if (!this.#lease.held) {
        this.#suspend()
        break
      }
      const job = this.#queue.take()
      if (job === null) break
      this.#current = job
      const { instance } = job
      const madeRoom = job.kind === 'deliver' && this.#queue.madeRoom(instance)
      try {
        if (job.kind === 'tick') await this.#turns.tick(instance)
        else if (job.kind === 'deliver') await this.#turns.deliver(instance, job.input)
        else await this.#answer(job)
      } catch (thrown) {
        if (this.#lease.held && !this.#isWaiting()) this.#fail(asHyphaError(thrown), job)
        else this.#leaveTurn(job)
      }
      this.#current = null
      if (madeRoom && !this.#queue.isFull(instance)) this.#ports.room(this.spec.instances[instance]!.key)
    }
    // In the same step as the look into the queue: what is queued later begins a new loop.
    this.#working = false
  }

  /** The lease has run out: another node may run the instances now. They end at once, in the middle of a turn too; what waits for them stays. [P 12.4] */
  #suspend(): void {
    if (this.#status !== 'running' && this.#status !== 'starting' && this.#status !== 'backoff') return
    this.#setStatus('waiting', null)
    this.#event('lease-run-out', 'It has no lease any more, and waits for another', null)
    this.#queue.dropTicks()
    this.#queue.giveCallsBack()
    void this.#end().then(() => this.#status === 'waiting' && this.#lease.letGo())
  }

  #isWaiting(): boolean {
    return this.#status === 'waiting'
  }

  /** What a turn was about that the end of the lease has ended: its effects are discarded, and nobody has seen it fail. */
  #leaveTurn(job: Job): void {
    if (job.kind === 'deliver') this.#queue.putBack(job)
    if (job.kind === 'call') {
      const text = 'its node has no lease of it any more, and it is being moved'
      job.pending.settle(failed('callee-unreachable', text, 'unknown'))
    }
    this.#suspend()
  }

  /** There is a lease again. */
  #resume(): void {
    if (this.#status !== 'waiting' || this.#stopping || !this.#lease.proceeded) return
    if (this.#held) {
      this.#reopenDue = true
      return
    }
    this.#lease.use()
    this.#begin()
  }

  /** All instances end; the input that was tried is tried again in the new ones, and one day given up. [P 9.6] */
  #fail(error: HyphaError, job: Job | null): void {
    if (error.code === 'turn-deadline') this.#counts.deadlines++
    else if (isModulesFault(error)) this.#counts.traps++
    const lost = this.#turns.turnsToLose
    const back = lost > 0 ? `; the state goes back ${lost} turns, to the last checkpoint` : ''
    const key = job === null ? null : this.spec.instances[job.instance]!.key
    this.#event(eventCode(error), `${error.message}${back}`, key)
    this.#queue.dropTicks()
    if (job?.kind === 'deliver') this.#failInput(error, job)
    // Only what could be worth a second try is tried again, and only its caller can know that.
    if (job?.kind === 'call') job.pending.settle(failed('callee-trapped', error.message, 'yes'))
    void this.#end()
    const waitMs = this.#backoff.failed(() => this.#reopen())
    this.#setStatus('backoff', `${error.message}; tried again after ${Math.round(waitMs / 1_000)} s`)
  }

  #failInput(error: HyphaError, job: Extract<Job, { kind: 'deliver' }>): void {
    const attempted = isModulesFault(error)
    if (!attempted || job.attempt < triesAfter(error)) {
      this.#queue.putBack(attempted ? { ...job, attempt: job.attempt + 1 } : job)
      return
    }
    try {
      this.#turns.giveUp(job.instance, job.input.id)
    } catch (thrown) {
      this.#event('journal-failed', asHyphaError(thrown).message, null)
      this.#queue.putBack(job)
      return
    }
    this.#counts.failedInputs++
    const what = `an input on "${job.input.topic}" failed ${job.attempt} times and is given up`
    this.#event('input-failed', what, this.spec.instances[job.instance]!.key)
  }

  #reopen(): void {
    if (this.#stopping) return
    if (this.#status === 'waiting') {
      this.#resume()
      return
    }
    if (this.#held) {
      this.#reopenDue = true
      return
    }
    this.#counts.restarts++
    this.#begin()
  }

  #begin(): void {
    this.#setStatus('starting', this.#error)
    const time = this.#lease.times
    // Whoever waits for it finds it running, or failed; or another start under way, where the lease has run out meanwhile.
    this.#loop = this.#turns.start().then(
      () => time === this.#lease.times && this.#status === 'starting' && this.#run(),
      (thrown) => time === this.#lease.times && this.#status === 'starting' && this.#fail(asHyphaError(thrown), null),
    ) as Promise<void>
  }

  async #save(): Promise<void> {
    try {
      await this.#turns.save()
    } catch (thrown) {
      const error = asHyphaError(thrown)
      this.#stopping = false
      if (isModulesFault(error)) this.#fail(error, null)
      else this.#pump()
      throw error
    }
  }

  async #end(): Promise<void> {
    this.#backoff.cancel()
    this.#stopTickers()
    await this.#turns.end()
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

const idText = (instance: number, { source, number }: InputId): string => `${instance} ${source.join()} ${number}`

const settled = (work: Promise<unknown>): Promise<void> =>
  work.then(
    () => undefined,
    () => undefined,
  )

/** Whether it is the module that ended its turn, and not the node. */
const isModulesFault = ({ code }: HyphaError): boolean =>
  code === 'turn-trapped' || code === 'turn-deadline' || code === 'cell-died'

/**
 * How often an input is tried here whose turn ended so. One that a stronger node might handle waits for its instance to be moved there, which takes three failures, and goes along: given up at once it would
 * be lost for want of a node.
 */
const triesAfter = ({ code, message }: HyphaError): number =>
  code === 'turn-deadline' || shortageIn(message) !== null ? 6 : 2

function eventCode({ code }: HyphaError): string {
  if (code === 'turn-trapped') return 'trapped'
  return code === 'turn-deadline' ? 'deadline' : code
}
