import { HyphaError } from '@hypha/core/errors.ts'
import type { InstanceState } from '@hypha/core/wire/messages/state.ts'
import { KeptTimers } from '../../../agent/sandbox/kept-timers.ts'
import type { PreparedApp, Sandbox } from '../../../agent/sandbox/sandbox.ts'
import type { RunnableSection, TurnRecord } from '../../../agent/turns.ts'

/** How releases behave, by their number: `ok` unless said otherwise. */
export type Behaviour = 'ok' | 'unloadable' | 'traps-at-start' | 'traps-later' | 'refuses-state'

/** Runs releases in word only: each leaves one turn behind when it starts. */
export class FakeSandbox implements Sandbox {
  readonly timers = new KeptTimers()
  /** Digest of the release that runs. */
  running: string | null = null
  /** How often something was started. */
  started = 0
  readonly behaviours = new Map<number, Behaviour>()
  readonly #behaviourOf = new WeakMap<PreparedApp, Behaviour>()
  readonly #commit: (turn: readonly TurnRecord[]) => void
  #trap: (() => void) | null = null

  constructor(commit: (turn: readonly TurnRecord[]) => void) {
    this.#commit = commit
  }

  /** The module that runs traps, and is started again. */
  trap(): void {
    this.#trap?.()
  }

  async prepare(section: RunnableSection): Promise<PreparedApp> {
    const behaviour = this.behaviours.get(section.releaseNumber) ?? 'ok'
    if (behaviour === 'unloadable') throw new HyphaError('module-unloadable', 'it was made for another world')
    const health = { turns: 0, traps: 0, deadlines: 0, restarts: 0, missedTicks: 0, failedInputs: 0 }
    let status: InstanceState['status'] = 'stopped'
    const changed: (() => void)[] = []
    const prepared: PreparedApp = {
      loaded: [],
      activate: async () => {
        if (this.running !== null) throw new Error(`${this.running} runs still`)
        if (behaviour === 'traps-at-start') throw new HyphaError('turn-trapped', 'unreachable')
        this.running = section.release
        this.started++
        status = 'running'
        this.#commit(section.instances.map((instance) => turnOf(section, instance)))
        this.#trap = () => {
          health.traps++
          for (const run of changed) run()
        }
      },
      call: () => 'absent',
      refusal: () => null,
      cellOf: () => null,
      deliver: () => 'done',
      instances: () =>
        section.instances.map(({ module, home }) => ({ module, home, status, restarts: 0, turns: 0, error: null })),
      health: () => health,
      onChange: (run) => void changed.push(run),
      onRoom: () => undefined,
      stop: async () => {
        if (this.running === section.release) this.running = null
        status = 'stopped'
        return []
      },
      rehearse: async (from) => {
        if (behaviour === 'refuses-state') throw new HyphaError('state-refused', 'it was saved by another')
        return from === null ? null : { restoreMs: 0.4, stateBytes: 64 }
      },
    }
    this.#behaviourOf.set(prepared, behaviour)
    return prepared
  }

  /** All or nothing: where the new one doesn't start, the old one has not noticed. */
  async swap(old: PreparedApp | null, next: PreparedApp, { saved }: { readonly saved: () => void }) {
    if (this.#behaviourOf.get(next) === 'traps-at-start') {
      await next.stop({ save: false })
      throw new HyphaError('turn-trapped', 'unreachable')
    }
    await old?.stop({ save: true })
    saved()
    await next.activate()
    return { pauseMs: 1, carried: 2, before: 7, settled: Promise.resolve({ after: 2, lost: 0, doubled: 0 }) }
  }

  warm(): void {
    // There is no worker to start ahead.
  }

  async close(): Promise<void> {
    // None stands by.
  }
}

function turnOf({ app, epoch, release }: RunnableSection, { module, home }: { module: string; home: string | null }) {
  const bytes = new TextEncoder().encode(release)
  const turn: TurnRecord = {
    instance: { app, module, home },
    epoch,
    input: null,
    outcome: 'ok',
    samples: [{ metric: 'started', value: 1, atMs: 0 }],
    logs: [],
    messages: [],
    kv: [{ key: 'release', value: bytes }],
    state: null,
  }
  return turn
}
