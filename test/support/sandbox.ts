import { toHex } from '@hypha/core/bytes/text.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import type { HostCall } from '../../agent/host/host.ts'
import { createSandbox, type Durable, type SandboxOptions, type SandboxPorts } from '../../agent/sandbox/sandbox.ts'
import type {
  InboxInput,
  InstanceKey,
  NodeEvent,
  RunnableInstance,
  RunnableModule,
  RunnableSection,
  TurnRecord,
} from '../../agent/turns.ts'

/** What the agent's journal does for the sandbox, in memory. */
export class MemoryJournal implements Durable {
  readonly turns: TurnRecord[] = []
  readonly #waiting: (() => void)[] = []

  commit(turn: readonly TurnRecord[]): void {
    this.turns.push(...turn)
    for (const wake of this.#waiting.splice(0)) wake()
  }

  kv(instance: InstanceKey): Map<string, Uint8Array> {
    const content = new Map<string, Uint8Array>()
    for (const { kv } of this.of(instance)) {
      for (const { key, value } of kv) {
        if (value === null) content.delete(key)
        else content.set(key, value)
      }
    }
    return content
  }

  state(instance: InstanceKey): TurnRecord['state'] {
    return this.of(instance).findLast(({ state }) => state !== null)?.state ?? null
  }

  handled(instance: InstanceKey, source: Uint8Array): number {
    const numbers = this.of(instance).flatMap(({ input }) =>
      input !== null && toHex(input.source) === toHex(source) ? [input.number] : [],
    )
    return Math.max(-1, ...numbers)
  }

  of(instance: InstanceKey): TurnRecord[] {
    return this.turns.filter((turn) => instanceName(turn.instance) === instanceName(instance))
  }

  /** Resolves when the journal is as asked for. */
  async until(holds: (turns: readonly TurnRecord[]) => boolean): Promise<void> {
    while (!holds(this.turns)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

export interface TestSandbox {
  readonly journal: MemoryJournal
  readonly events: NodeEvent[]
  readonly sandbox: ReturnType<typeof createSandbox>
  /** Resolves when such an event has come. */
  event(code: string): Promise<NodeEvent>
}

/** A sandbox whose journal is in memory. */
export function testSandbox(
  clock: Clock,
  options: Partial<SandboxOptions> = {},
  call: (call: HostCall) => unknown = () => ({ tag: 'err', val: 'unavailable' }),
  componentProcess: SandboxPorts['componentProcess'] = null,
  leases: SandboxPorts['leases'] = null,
): TestSandbox {
  const journal = new MemoryJournal()
  const events: NodeEvent[] = []
  const waiting: (() => void)[] = []
  const sandbox = createSandbox(
    {
      node: 'pi-7',
      clock,
      commit: (turn) => journal.commit(turn),
      event(event) {
        events.push(event)
        for (const wake of waiting.splice(0)) wake()
      },
      call,
      leases,
      componentProcess,
    },
    options,
  )
  return {
    journal,
    events,
    sandbox,
    async event(code) {
      for (;;) {
        const found = events.find((event) => event.code === code)
        if (found !== undefined) return found
        await new Promise<void>((resolve) => waiting.push(resolve))
      }
    },
  }
}

/** One instance per module, at home on `pi-7`, each import linked to the host unless said otherwise. */
export function sectionOf(
  modules: readonly RunnableModule[],
  given: {
    readonly app?: string
    readonly release?: string
    readonly links?: Readonly<Record<string, Readonly<Record<string, string>>>>
    readonly config?: Readonly<Record<string, string>>
  } = {},
): RunnableSection {
  const instances = modules.map((module): RunnableInstance => {
    const links: [
      string,
      { kind: 'host' } | { kind: 'instance'; node: string; module: string; home: string | null },
    ][] = module.world.imports.map(({ name }) => {
      const callee = given.links?.[module.name]?.[name]
      return [
        name,
        callee === undefined ? { kind: 'host' } : { kind: 'instance', node: 'pi-7', module: callee, home: 'pi-7' },
      ]
    })
    return { module: module.name, home: 'pi-7', links: new Map(links), config: given.config ?? {} }
  })
  return {
    app: given.app ?? 'app',
    epoch: 1,
    release: given.release ?? 'aa'.repeat(32),
    releaseNumber: 1,
    modules: new Map(modules.map((module) => [module.name, module])),
    instances,
  }
}

export const instanceOf = (module: string, app = 'app'): InstanceKey => ({ app, module, home: 'pi-7' })

export function inputOf(number: number, topic = 'topic', payload: Uint8Array = new Uint8Array()): InboxInput {
  return { id: { source: new Uint8Array(8).fill(7), number }, topic, payload }
}
