import { HyphaError } from '@hypha/core/errors.ts'
import type { RunnableSection } from '../turns.ts'
import { CellWorker } from './cell-worker.ts'
import { KeptTimers } from './kept-timers.ts'
import { defaultOptions, type SandboxOptions } from './options.ts'
import type { SandboxPorts } from './ports.ts'
import { App, type PreparedApp } from './prepared-app.ts'
import { type SwapOptions, type Swapped, swapApps } from './swap.ts'
import { ThreadTransport } from './thread-transport.ts'
import type { CellSpec, Durable } from './turn-runner.ts'

export type { SandboxOptions } from './options.ts'
export type { SandboxPorts } from './ports.ts'
export type { PreparedApp } from './prepared-app.ts'
export type { Swapped } from './swap.ts'
export type { Durable } from './turn-runner.ts'

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
  /** Of instances that have stopped here, or have come from another node. */
  readonly timers: KeptTimers
  /** Starts a worker ahead, for an app that is on its way. */
  warm(): void
  /** Ends the workers that stand by; apps are stopped on their own. */
  close(): Promise<void>
}

export function createSandbox(ports: SandboxPorts, given: Partial<SandboxOptions> = {}): Sandbox {
  const options: SandboxOptions = { ...defaultOptions, ...given }
  const spares: CellWorker[] = []
  const timers = new KeptTimers()
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
      const app = new App(section, durable, { ...ports, timers }, options, take)
      await app.load()
      return app
    },
    swap(old, next, options) {
      const [from, to] = [asApp(old), asApp(next)]
      if (to === null) throw new HyphaError('internal', 'there is nothing to swap to')
      return swapApps(from, to, options, ports)
    },
    timers,
    warm() {
      if (spares.length === 0) warm()
    },
    async close() {
      await Promise.all(spares.splice(0).map((spare) => spare.end()))
    },
  }
}

const asApp = (app: PreparedApp | null): App | null => {
  if (app === null || app instanceof App) return app
  throw new HyphaError('internal', 'the app was prepared by another sandbox')
}
