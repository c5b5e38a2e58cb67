import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import type { InstanceState } from '@hypha/core/wire/messages/state.ts'
import type { HostCall } from '../host/host.ts'
import type { InboxInput, InstanceKey, NodeEvent, RunnableSection, TurnRecord } from '../turns.ts'
import { Cell, type CellHealth, type CellPorts } from './cell.ts'
import { CellWorker } from './cell-worker.ts'
import { planCells } from './cells.ts'
import { defaultOptions, type SandboxOptions } from './options.ts'
import type { LoadedInstance } from './protocol.ts'
import { ThreadTransport } from './thread-transport.ts'
import type { CellTransport } from './transport.ts'
import type { CellSpec, Durable } from './turn-runner.ts'

export type { SandboxOptions } from './options.ts'
export type { Durable } from './turn-runner.ts'

export interface SandboxPorts {
  /** This node's id. */
  readonly node: string
  readonly clock: Clock
  /**
   * Journals one turn: its own record, and one for each further instance that it called; all or none. Appended when this returns; the next turn of
   * the cell begins only then.
   */
  commit(turn: readonly TurnRecord[]): void
  event(event: NodeEvent): void
  /** Serves sensors, actuators, HTTP and SQL: a lifted value, at once or later. */
  call(call: HostCall): unknown
  /** Starts a process for a cell whose modules have no core form; null where this node runs none. */
  readonly componentProcess?: (() => CellTransport) | null
}

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

/** How long `restore` took, and how much there was to restore; of all instances together. */
export interface Rehearsal {
  readonly restoreMs: number
  readonly stateBytes: number
}

/** A swap that succeeded. */
export interface Swapped {
  /** From the end of the last turn of the old release to the readiness for the first one of the new. */
  readonly pauseMs: number
  /** Inputs that waited at the flip, and were taken over. */
  readonly carried: number
  /** Inputs that the old release handled since it was activated. */
  readonly before: number
  /** Resolves when all that was taken over is done with, or after 10 s: what became of it. Never rejects. */
  readonly settled: Promise<Settled>
}

export interface Settled {
  /** Of those taken over, handled by the new release. */
  readonly after: number
  /** Of those taken over, neither handled nor waiting any more. */
  readonly lost: number
  /** Inputs that ran as a turn of the new release although the journal had them as handled. */
  readonly doubled: number
}

export interface SwapOptions {
  /** Where the new release isn't ready so long after the old one's last turn, the old one goes on. */
  readonly budgetMs: number
  /** Called once, when the old release's state is journaled and the new one is ready, before anything of the new one is journaled. What it throws calls the swap off. */
  readonly saved: () => void
}

export interface Sandbox {
  /**
   * Compiles an app's modules in workers of their own, and tries that they can be instantiated. Nothing of it runs yet.
   *
   * @throws HyphaError `link-not-served`, `module-form-unsupported`, `module-unloadable`, `turn-deadline`, `cell-died`.
   */
  prepare(section: RunnableSection, durable: Durable): Promise<PreparedApp>
  /**
   * Replaces a running app by a prepared one: running turns end, inputs and ticks wait, the old one saves, the new one restores and starts, and what waits goes on in it; the old one is told to
   * stop afterwards. Where that fails it throws, the new one is ended, and the old one goes on where it was, with all that waited; nothing of the new one is journaled then. While it is under
   * way, and later, inputs may be delivered to either.
   *
   * @throws HyphaError what kept the new one from taking over, or the old one from saving; `swap-over-budget`.
   */
  swap(old: PreparedApp | null, next: PreparedApp, options: SwapOptions): Promise<Swapped>
  /** Starts a worker ahead, for an app that is on its way. */
  warm(): void
  /** Ends the workers that stand by; apps are stopped on their own. */
  close(): Promise<void>
}

export function createSandbox(ports: SandboxPorts, given: Partial<SandboxOptions> = {}): Sandbox {
  const options: SandboxOptions = { ...defaultOptions, ...given }
  const spares: CellWorker[] = []
  const thread = (): CellWorker => new CellWorker(new ThreadTransport(options), ports.clock)
  const warm = (): void => {
    const spare = thread()
    spare.onDeath = () => {
      const index = spares.indexOf(spare)
      if (index >= 0) spares.splice(index, 1)
    }
    spares.push(spare)
  }
  const take = ({ components }: CellSpec): CellWorker => {
    if (components) return new CellWorker(ports.componentProcess!(), ports.clock)
    const taken = spares.shift() ?? thread()
    while (spares.length < options.standby) warm()
    return taken
  }
  while (spares.length < options.standby) warm()

  return {
    async prepare(section, durable) {
      const app = new App(section, durable, ports, options, take)
      await app.load()
      return app
    },
    async swap(old, next, { saved }) {
      const startedAt = ports.clock.monotonic()
      const waiting = (await old?.stop({ save: true })) ?? []
      saved()
      await next.activate()
      for (const { instance, input } of waiting) next.deliver(instance, input)
      const pauseMs = ports.clock.monotonic() - startedAt
      const settled = Promise.resolve({ after: waiting.length, lost: 0, doubled: 0 })
      return { pauseMs, carried: waiting.length, before: 0, settled }
    },
    warm() {
      if (spares.length === 0) warm()
    },
    async close() {
      await Promise.all(spares.splice(0).map((spare) => spare.end()))
    },
  }
}

class App implements PreparedApp {
  loaded: readonly LoadedInstance[] = []
  readonly #cells: readonly Cell[]
  /** Where each instance is, by its name. */
  readonly #places = new Map<string, { readonly cell: Cell; readonly index: number }>()
  readonly #changed: (() => void)[] = []
  readonly #room: ((instance: InstanceKey) => void)[] = []

  constructor(
    section: RunnableSection,
    durable: Durable,
    ports: SandboxPorts,
    options: SandboxOptions,
    worker: (spec: CellSpec) => CellWorker,
  ) {
    const shared = {
      clock: ports.clock,
      options,
      durable,
      commit: ports.commit,
      event: ports.event,
      changed: () => {
        for (const run of this.#changed) run()
      },
      room: (instance: InstanceKey) => {
        for (const run of this.#room) run(instance)
      },
    }
    this.#cells = planCells(section, ports.node, ports.componentProcess != null).map((spec) => {
      const ask: CellPorts['ask'] = (index, request, leftMs) => {
        const { key } = spec.instances[index]!
        const { httpHosts } = section.modules.get(key.module)!
        const { interface: name, func, args } = request
        return ports.call({ instance: key, interface: name, func, args, key: request.key, leftMs, httpHosts })
      }
      return new Cell(spec, { ...shared, ask, worker: () => worker(spec) })
    })
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
    const outcomes = await Promise.allSettled(this.#cells.map((cell) => cell.open()))
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed === undefined) return
    const failure = asHyphaError(failed.reason)
    await Promise.all(this.#cells.map((cell) => cell.abandon(failure)))
    throw failure
  }

  deliver(instance: InstanceKey, input: InboxInput): 'queued' | 'full' | 'done' {
    const place = this.#places.get(instanceName(instance))
    if (place === undefined) throw new HyphaError('internal', `${instanceName(instance)} is not of this app`)
    return place.cell.deliver(place.index, input)
  }

  async rehearse(_from: PreparedApp | null): Promise<Rehearsal | null> {
    return null
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
    const left = await Promise.all(
      this.#cells.map(async (cell) =>
        (await cell.stop(options)).map(({ instance, input }) => ({
          instance: cell.spec.instances[instance]!.key,
          input,
        })),
      ),
    )
    return left.flat()
  }
}
