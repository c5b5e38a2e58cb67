import { toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import type { InstanceState } from '@hypha/core/wire/messages/state.ts'
import { type CallOutcome, failed, type LinkedCall } from '../linked-calls.ts'
import type { PendingCall } from '../pending-call.ts'
import type { InboxInput, InputId, InstanceKey, RunnableSection, TurnRecord } from '../turns.ts'
import { asksOf } from './asks.ts'
import { callersFirst } from './callers-first.ts'
import { Cell, type CellHealth } from './cell.ts'
import type { CellWorker } from './cell-worker.ts'
import { planCells } from './cells.ts'
import type { KeptTimers } from './kept-timers.ts'
import type { SandboxOptions } from './options.ts'
import type { SandboxPorts } from './ports.ts'
import type { LoadedInstance } from './protocol.ts'
import type { Job } from './queue.ts'
import { refusalOf } from './served-call.ts'
import { Settlement } from './settlement.ts'
import type { TickerPhase } from './ticker.ts'
import type { CellSpec, Durable, Rehearsal } from './turn-runner.ts'

/** An app that is compiled and stands by, runs, or has been stopped. */
export interface PreparedApp {
  /** How long each instance took to compile and to instantiate. */
  readonly loaded: readonly LoadedInstance[]
  /** Makes the instances, restores their state and starts them and their timers. Throws what kept one from it; then none runs. Also after `stop`. */
  activate(): Promise<void>
  /**
   * Queues an input for an inbox; before `activate` it waits. `done`: it was handled before. `full`: try again when `onRoom` says so.
   */
  deliver(instance: InstanceKey, input: InboxInput): 'queued' | 'full' | 'done'
  /** Queues a call of a link; `absent` where there is no such instance. */
  call(instance: InstanceKey, pending: PendingCall): 'queued' | 'busy' | 'absent'
  /** Why an instance can't answer a call, as far as its release says; null where it can. */
  refusal(instance: InstanceKey, call: LinkedCall): CallOutcome | null
  /** The cell that an instance is in. */
  cellOf(instance: InstanceKey): string | null
  instances(): InstanceState[]
  health(): CellHealth
  /** Called when an instance's status changes. */
  onChange(run: () => void): void
  /** Called when an instance whose inputs were answered with `full` takes more. */
  onRoom(run: (instance: InstanceKey) => void): void
  /**
   * Finishes the running turns, checkpoints each instance where `save` says so, and ends the cells. Answers the inputs that were queued and
   * got no turn. Where a module's `save` fails it throws, and the app goes on.
   */
  stop(options: { readonly save: boolean }): Promise<{ readonly instance: InstanceKey; readonly input: InboxInput }[]>
  /**
   * Tries in a throwaway instance to restore a `save()` that `from` takes now, or the last checkpoint where `from` doesn't run; with only log, clock and config answering. Nothing of it is
   * kept, and untouched instances stand ready afterwards. Null where nothing is there to restore, or where `restore` asks for more than that, so that it isn't known.
   *
   * @throws HyphaError what would keep this release from taking over: `state-refused`, `turn-trapped`, `turn-deadline`, `cell-died`.
   */
  rehearse(from: PreparedApp | null): Promise<Rehearsal | null>
}

interface Place {
  readonly cell: Cell
  readonly index: number
}

/** The cells of one release of an app. What isn't of `PreparedApp` is for `swap.ts`. */
export class App implements PreparedApp {
  loaded: readonly LoadedInstance[] = []
  readonly #ports: SandboxPorts
  readonly #durable: Durable
  readonly #cells: readonly Cell[]
  /** In the order in which they end. */
  readonly #callersFirst: readonly (readonly Cell[])[]
  /** Where each instance is, by its name. */
  readonly #places = new Map<string, Place>()
  readonly #changed: (() => void)[] = []
  readonly #room: ((instance: InstanceKey) => void)[] = []
  /** Inputs that were handled since it was activated, and how many of them had been handled before. */
  #handled = 0
  #doubled = 0
  #settlement: Settlement | null = null
  /** What takes this one's inputs: the old release while a swap to this one is under way and where it failed; the new one after a swap from this one. */
  #inputsTo: App | null = null
  /** Resolves when what another one has replaced has ended. */
  #retired: Promise<void> | null = null
  /** Ends it now. */
  #endNow = (): void => undefined
  /** What this one has replaced, until it has ended. */
  #before: App | null = null

  constructor(
    section: RunnableSection,
    durable: Durable,
    ports: SandboxPorts & { readonly timers: KeptTimers },
    options: SandboxOptions,
    worker: (spec: CellSpec) => CellWorker,
  ) {
    this.#ports = ports
    this.#durable = durable
    this.#cells = planCells(section, ports.node, ports.componentProcess != null).map((spec) => {
      return new Cell(spec, {
        clock: ports.clock,
        options,
        durable,
        timers: ports.timers,
        commit: ports.commit,
        event: ports.event,
        lease: spec.leased?.length ? (ports.leases?.gate(spec.leased) ?? null) : null,
        ask: asksOf(section, spec, ports),
        worker: () => worker(spec),
        changed: () => {
          for (const run of this.#changed) run()
        },
        room: (instance) => {
          for (const run of this.#room) run(instance)
        },
        handled: (instance, input, again) => this.#onHandled(spec.instances[instance]!.key, input, again),
      })
    })
    this.#callersFirst = callersFirst(section, this.#cells)
    for (const cell of this.#cells) {
      for (const [index, { key }] of cell.spec.instances.entries()) this.#places.set(instanceName(key), { cell, index })
    }
  }

  async load(): Promise<void> {
    try {
      this.loaded = (await Promise.all(this.#cells.map((cell) => cell.load()))).flat()
    } catch (error) {
      await this.stop({ save: false })
      throw error
    }
  }

  async activate(): Promise<void> {
    this.#beginAnew()
    await this.#startCells((cell) => cell.open())
  }

  deliver(instance: InstanceKey, input: InboxInput): 'queued' | 'full' | 'done' {
    const name = instanceName(instance)
    const place = this.#places.get(name)
    if (place === undefined) throw new HyphaError('internal', `${name} is not of this app`)
    const other = this.#inputsTo
    if (other?.has(name)) return other.deliver(instance, input)
    // What has been replaced runs nothing any more: who sent it keeps it.
    if (this.#retired !== null) return 'full'
    return place.cell.deliver(place.index, input)
  }

  call(instance: InstanceKey, pending: PendingCall): 'queued' | 'busy' | 'absent' {
    const name = instanceName(instance)
    const place = this.#places.get(name)
    const other = this.#inputsTo
    if (other?.has(name)) return other.call(instance, pending)
    if (place === undefined || this.#retired !== null) return 'absent'
    return place.cell.call(place.index, pending)
  }

  refusal(instance: InstanceKey, call: LinkedCall): CallOutcome | null {
    const place = this.#places.get(instanceName(instance))
    if (place === undefined) return failed('callee-not-running', 'the called instance does not run here')
    const { spec } = place.cell
    return refusalOf(call, spec.modules[spec.instances[place.index]!.module]!.world)
  }

  cellOf(instance: InstanceKey): string | null {
    return this.#places.get(instanceName(instance))?.cell.spec.name ?? null
  }

  has(instance: string): boolean {
    return this.#places.has(instance)
  }

  async rehearse(from: PreparedApp | null): Promise<Rehearsal | null> {
    const peeked = from instanceof App ? (await Promise.all(from.#cells.map((cell) => cell.peek()))).flat() : []
    const states = new Map(peeked.map(({ instance, release, bytes }) => [instanceName(instance), { release, bytes }]))
    const stateOf = (key: InstanceKey) => states.get(instanceName(key)) ?? this.#durable.state(key)
    const rehearsals = await Promise.all(this.#cells.map((cell) => cell.rehearse(stateOf)))
    const known = rehearsals.filter((each) => each !== null)
    if (known.length === 0) return null
    return known.reduce((sum, { restoreMs, stateBytes }) => ({
      restoreMs: sum.restoreMs + restoreMs,
      stateBytes: sum.stateBytes + stateBytes,
    }))
  }

  instances(): InstanceState[] {
    return this.#cells.flatMap((cell) => cell.states())
  }

  health(): CellHealth {
    const sum: CellHealth = { turns: 0, traps: 0, deadlines: 0, restarts: 0, missedTicks: 0, failedInputs: 0 }
    for (const { health } of this.#cells) {
      for (const name of Object.keys(sum) as (keyof CellHealth)[]) sum[name] += health[name]
    }
    return sum
  }

  onChange(run: () => void): void {
    this.#changed.push(run)
  }

  onRoom(run: (instance: InstanceKey) => void): void {
    this.#room.push(run)
  }

  async stop(options: { readonly save: boolean }): Promise<{ instance: InstanceKey; input: InboxInput }[]> {
    if (this.#retired !== null) {
      this.#endNow()
      await this.#retired
      return []
    }
    const before = Promise.allSettled([this.#before?.stop(options)])
    const stopped: PromiseSettledResult<unknown>[] = []
    for (const cells of this.#callersFirst) {
      stopped.push(...(await Promise.allSettled(cells.map((cell) => cell.stop(options)))))
    }
    stopped.push(...(await before))
    // Only then: where one goes on, what waits in the others waits for the next stop.
    for (const outcome of stopped) if (outcome.status === 'rejected') throw outcome.reason
    const left = this.#cells.flatMap((cell) =>
      cell.drain().map(({ instance, input }) => ({ instance: cell.spec.instances[instance]!.key, input })),
    )
    this.#settlement?.end(new Set(left.map(({ instance, input }) => inputName(instance, input.id))))
    return left
  }

  /** Loads again what has ended while it stood by. */
  async ready(): Promise<void> {
    await Promise.all(this.#cells.map((cell) => cell.ready()))
  }

  /** Inputs go to the old release's queue from now on, until `takeOver`. */
  waitIn(old: App | null): void {
    this.#inputsTo = old
  }

  /** The old release goes on, with what waits here too, and with what still comes here. What finds no room there comes again: it isn't handled. */
  giveBack(old: App | null): void {
    if (old === null) return
    for (const cell of this.#cells) {
      for (const { instance, input } of cell.drain()) {
        const { key } = cell.spec.instances[instance]!
        if (old.has(instanceName(key))) old.deliver(key, input)
      }
    }
  }

  /** The running turns end; none begins until `resume`. */
  async hold(): Promise<void> {
    await Promise.all(this.#cells.map((cell) => cell.hold()))
  }

  resume(): void {
    for (const cell of this.#cells) cell.resume()
  }

  /** Throws what kept an instance from being saved. */
  async save(): Promise<void> {
    const outcomes = await Promise.allSettled(this.#cells.map((cell) => cell.save()))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  /** Makes the instances, restores and starts them; what that leaves behind is kept for `release`. Throws what kept one from it. */
  async startWithheld(): Promise<void> {
    this.#beginAnew()
    for (const cell of this.#cells) cell.withhold()
    await this.#startCells((cell) => cell.start())
  }

  release(): readonly TurnRecord[] {
    return this.#cells.flatMap((cell) => cell.release())
  }

  async abandon(failure: HyphaError): Promise<void> {
    await Promise.all(this.#cells.map((cell) => cell.abandon(failure)))
  }

  /** Runs in place of the old release, which is held: with all that waits for it. */
  takeOver(old: App | null): { readonly carried: number; readonly before: number; readonly settlement: Settlement } {
    this.#inputsTo = null
    const jobs = new Map<Cell, Job[]>(this.#cells.map((cell) => [cell, []]))
    const timers = new Map<Cell, Map<number, TickerPhase>>(this.#cells.map((cell) => [cell, new Map()]))
    for (const cell of old === null ? [] : old.#cells) {
      const handed = cell.handOver()
      for (const job of handed.jobs) {
        const place = this.#placeOf(cell, job.instance)
        if (place !== null) jobs.get(place.cell)!.push({ ...job, instance: place.index })
        else if (job.kind === 'call') job.pending.giveBack()
      }
      for (const [index, accepted] of handed.accepted.entries()) {
        const place = this.#placeOf(cell, index)
        place?.cell.follow(place.index, accepted)
        const phase = handed.timers.get(index)
        const same = place !== null && place.cell.spec.timersMs[place.index] === cell.spec.timersMs[index]
        if (same && phase !== undefined) timers.get(place.cell)!.set(place.index, phase)
      }
    }
    for (const cell of this.#cells) cell.proceed(jobs.get(cell), timers.get(cell))
    const carried = this.#waiting()
    this.#settlement = new Settlement(this.#ports.clock, carried, {
      waiting: () => this.#waiting(),
      doubled: () => this.#doubled,
    })
    if (old !== null) this.#replace(old, this.#settlement.result)
    return { carried: carried.size, before: old === null ? 0 : old.#handled, settlement: this.#settlement }
  }

  #replace(old: App, settled: Promise<unknown>): void {
    this.#before = old
    void old.#giveWayTo(this, settled).then(() => {
      if (this.#before === old) this.#before = null
    })
  }

  /** Ends when what has waited is done with. */
  #giveWayTo(next: App, settled: Promise<unknown>): Promise<void> {
    this.#settlement?.end()
    this.#inputsTo = next
    const { clock } = this.#ports
    const { promise, resolve } = Promise.withResolvers<void>()
    let cancel = clock.after(longestLingerMs, resolve)
    void settled.then(() => {
      cancel()
      cancel = clock.after(lingerMs, resolve)
    })
    this.#endNow = resolve
    this.#retired = promise.then(async () => {
      cancel()
      await Promise.all(this.#cells.map((cell) => cell.retire()))
    })
    return this.#retired
  }

  /** Where this release has an instance of another one's cell. */
  #placeOf(cell: Cell, index: number): Place | null {
    return this.#places.get(instanceName(cell.spec.instances[index]!.key)) ?? null
  }

  #waiting(): Set<string> {
    return new Set(
      this.#cells.flatMap((cell) =>
        cell.waiting().map(({ instance, input }) => inputName(cell.spec.instances[instance]!.key, input.id)),
      ),
    )
  }

  #onHandled(instance: InstanceKey, input: InputId, again: boolean): void {
    this.#handled++
    if (again) this.#doubled++
    this.#settlement?.handled(inputName(instance, input))
  }

  #beginAnew(): void {
    this.#handled = 0
    this.#doubled = 0
    this.#settlement = null
  }

  async #startCells(start: (cell: Cell) => Promise<void>): Promise<void> {
    const outcomes = await Promise.allSettled(this.#cells.map(start))
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed === undefined) return
    const failure = asHyphaError(failed.reason)
    await this.abandon(failure)
    throw failure
  }
}

/**
 * What has been replaced ends so long after the inputs that had waited, for what came meanwhile has waited, too; and at the latest so long after the swap. The end of a thread takes a millisecond or two,
 * which are theirs.
 */
const lingerMs = 20
const longestLingerMs = 1_000

const inputName = (instance: InstanceKey, { source, number }: InputId): string =>
  `${instanceName(instance)} ${toHex(source)} ${number}`
