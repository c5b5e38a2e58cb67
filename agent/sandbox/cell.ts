import { toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import type { InstanceState } from '@hypha/core/wire/messages/state.ts'
import type { InboxInput, InstanceKey, NodeEvent } from '../turns.ts'
import { Backoff } from './backoff.ts'
import type { LoadedInstance } from './protocol.ts'
import { type Job, JobQueue } from './queue.ts'
import { MissedTicksReport, ThrottleReport } from './throttle-report.ts'
import { startTicker } from './ticker.ts'
import { type CellSpec, type TurnPorts, TurnRunner } from './turn-runner.ts'

/** What a cell needs of the agent. */
export interface CellPorts extends Omit<TurnPorts, 'throttled' | 'died'> {
  event(event: NodeEvent): void
  /** The status of the cell's instances is another one. */
  changed(): void
  /** An instance whose inputs were answered with `full` takes more. */
  room(instance: InstanceKey): void
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
  /** By instance, and by source in hex: the highest number that was queued or handled. */
  readonly #accepted: readonly Map<string, number>[]
  #status: InstanceState['status'] = 'stopped'
  #error: string | null = null
  #stopTickers: (() => void)[] = []
  /** Ends when nothing is left to do, or the cell stops. */
  #loop: Promise<void> = Promise.resolve()
  #working = false
  #stopping = false

  constructor(spec: CellSpec, ports: CellPorts) {
    const { clock, options } = ports
    this.spec = spec
    this.#ports = ports
    this.#queue = new JobQueue(options.waitingInputs)
    this.#backoff = new Backoff(clock, options)
    this.#accepted = spec.instances.map(() => new Map())
    this.#throttles = spec.instances.map(
      ({ key }) => new ThrottleReport(clock, options.throttleEventMs, (text) => this.#event('throttled', text, key)),
    )
    this.#missed = spec.instances.map(
      ({ key }) =>
        new MissedTicksReport(clock, options.throttleEventMs, (text) => this.#event('ticks-missed', text, key)),
    )
    this.#turns = new TurnRunner(spec, {
      ...ports,
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

  /** Makes the instances, gives them back their state, and starts them. Throws what kept them from starting; then nothing runs. */
  async open(): Promise<void> {
    this.#stopping = false
    this.#setStatus('starting', this.#error)
    const failure = await this.#start()
    if (failure === null) return this.#run()
    await this.abandon(failure)
    throw failure
  }

  /** Ends a cell of an app that could not start as a whole. */
  async abandon(failure: HyphaError): Promise<void> {
    this.#stopping = true
    await this.#end()
    this.#setStatus('failed', failure.message)
  }

  deliver(instance: number, input: InboxInput): 'queued' | 'full' | 'done' {
    const accepted = this.#accepted[instance]!
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
   * Finishes the running turn, saves where asked, tells the modules, and ends the worker. Answers the inputs that no turn was given to. Where
   * a `save` fails it throws, and the cell goes on.
   */
  async stop(options: { readonly save: boolean }): Promise<Left[]> {
    this.#stopping = true
    await this.#loop
    if (this.#status === 'running') {
      if (options.save) await this.#save()
      await this.#turns.tellStop().catch((thrown) => {
        const error = asHyphaError(thrown)
        this.#event(eventCode(error), `while stopping: ${error.message}`, null)
      })
    }
    await this.#end()
    this.#setStatus('stopped', null)
    for (const report of [...this.#throttles, ...this.#missed]) report.stop()
    for (const accepted of this.#accepted) accepted.clear()
    return this.#queue.drain()
  }

  /** Null when the instances have started. A stop that comes meanwhile waits for it, as it waits for a turn. */
  async #start(): Promise<HyphaError | null> {
    const starting = this.#turns.start().then(
      () => null,
      (thrown) => asHyphaError(thrown),
    )
    this.#loop = starting.then(() => undefined)
    return await starting
  }

  /** The instances have started: timers begin, and what waits is worked on. */
  #run(): void {
    this.#setStatus('running', this.#error)
    this.#backoff.opened()
    this.#stopTickers = this.spec.timersMs.flatMap((periodMs, instance) => {
      if (periodMs === null) return []
      const tick = (missed: number): void => {
        const lost = missed + (this.#queue.addTick(instance) ? 0 : 1)
        this.#counts.missedTicks += lost
        this.#missed[instance]!.add(lost)
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
      const { instance } = job
      const madeRoom = job.kind === 'deliver' && this.#queue.madeRoom(instance)
      try {
        if (job.kind === 'tick') await this.#turns.tick(instance)
        else await this.#turns.deliver(instance, job.input)
      } catch (thrown) {
        this.#fail(asHyphaError(thrown), job)
      }
      if (madeRoom && !this.#queue.isFull(instance)) this.#ports.room(this.spec.instances[instance]!.key)
    }
    // In the same step as the look into the queue: what is queued later begins a new loop.
    this.#working = false
  }

  /** All instances end; the input that was tried is tried once more in the new ones, then given up. [P 9.6] */
  #fail(error: HyphaError, job: Job | null): void {
    if (error.code === 'turn-deadline') this.#counts.deadlines++
    else if (isModulesFault(error)) this.#counts.traps++
    const lost = this.#turns.turnsToLose
    const back = lost > 0 ? `; the state goes back ${lost} turns, to the last checkpoint` : ''
    const key = job === null ? null : this.spec.instances[job.instance]!.key
    this.#event(eventCode(error), `${error.message}${back}`, key)
    this.#queue.dropTicks()
    if (job?.kind === 'deliver') this.#failInput(error, job)
    void this.#end()
    const waitMs = this.#backoff.failed(() => void this.#reopen())
    this.#setStatus('backoff', `${error.message}; tried again after ${Math.round(waitMs / 1_000)} s`)
  }

  #failInput(error: HyphaError, job: Extract<Job, { kind: 'deliver' }>): void {
    const attempted = isModulesFault(error)
    if (!attempted || job.attempt === 1) {
      this.#queue.putBack(attempted ? { ...job, attempt: 2 } : job)
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
    const what = `an input on "${job.input.topic}" failed twice and is given up`
    this.#event('input-failed', what, this.spec.instances[job.instance]!.key)
  }

  async #reopen(): Promise<void> {
    if (this.#stopping) return
    this.#counts.restarts++
    this.#setStatus('starting', this.#error)
    const failure = await this.#start()
    if (failure === null) this.#run()
    else this.#fail(failure, null)
  }

  async #save(): Promise<void> {
    try {
      await this.#turns.save()
    } catch (thrown) {
      const error = asHyphaError(thrown)
      this.#stopping = false
      this.#fail(error, null)
      throw error
    }
  }

  async #end(): Promise<void> {
    this.#backoff.cancel()
    for (const stop of this.#stopTickers.splice(0)) stop()
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

/** Whether it is the module that ended its turn, and not the node. */
const isModulesFault = ({ code }: HyphaError): boolean =>
  code === 'turn-trapped' || code === 'turn-deadline' || code === 'cell-died'

function eventCode({ code }: HyphaError): string {
  if (code === 'turn-trapped') return 'trapped'
  return code === 'turn-deadline' ? 'deadline' : code
}
