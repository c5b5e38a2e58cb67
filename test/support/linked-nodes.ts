import { toHex } from '@hypha/core/bytes/text.ts'
import { systemClock } from '@hypha/core/platform/clock.ts'
import type { DeviceInstances, ServedLink } from '@hypha/core/trust/directive.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import { type LinkMessage, linkMessage } from '@hypha/core/wire/messages/link.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { Calls, type CallsPorts } from '../../agent/calls/calls.ts'
import type { HostCall } from '../../agent/host/host.ts'
import { createSandbox, type PreparedApp } from '../../agent/sandbox/sandbox.ts'
import type { InstanceKey, NodeEvent, RunnableInstance, RunnableModule, RunnableSection } from '../../agent/turns.ts'
import { MemoryJournal } from './sandbox.ts'

const topics = fleetTopics('greens')

/** Who serves an import in these tests. */
export type Provider = RunnableInstance['links'] extends ReadonlyMap<string, infer P> ? P : never

export interface Placed {
  readonly module: RunnableModule
  readonly home?: string | null
  /** By interface; all others are the host's. */
  readonly links?: Readonly<Record<string, Provider>>
}

/** Of whichever device a call is meant for. */
export const ofDevice = (module: string): Provider => ({ kind: 'device', module })

export const placedOn = (node: string, module: string, home: string | null = null): Provider => ({
  kind: 'instance',
  node,
  module,
  home,
})

export const sectionWith = (placed: readonly Placed[], changes: Partial<RunnableSection> = {}): RunnableSection => ({
  app: 'app',
  epoch: 1,
  release: 'aa'.repeat(32),
  releaseNumber: 1,
  modules: new Map(placed.map(({ module }) => [module.name, module])),
  isolated: new Set(placed.flatMap(({ module }) => (module.isolate ? [module.name] : []))),
  instances: placed.map(({ module, home = null, links }) => ({
    module: module.name,
    home,
    config: {},
    links: new Map(module.world.imports.map(({ name }) => [name, links?.[name] ?? { kind: 'host' }])),
  })),
  ...changes,
})

/** Nodes whose links lose, hold back and count what a test says. */
export class Network {
  readonly nodes = new Map<string, LinkedNode>()
  readonly sent: { readonly from: string; readonly to: string; readonly message: LinkMessage }[] = []
  /** Whether a message is lost. */
  loses: (message: LinkMessage, to: string, from: string) => boolean = () => false
  /** Whether a message waits until the test delivers it. */
  holds: (message: LinkMessage, deliver: () => void) => boolean = () => false

  node(name: string, ports: Partial<NodePorts> = {}): LinkedNode {
    const node = new LinkedNode(name, this, ports)
    this.nodes.set(name, node)
    return node
  }

  send(from: string, topic: string, payload: Uint8Array): void {
    const parsed = topics.parse(topic)
    if (parsed?.kind !== 'link' || parsed.caller !== from) throw new Error(`${from} may not publish to ${topic}`)
    const message = linkMessage.decode(payload)
    const to = parsed.callee
    this.sent.push({ from, to, message })
    if (this.loses(message, to, from)) return
    const deliver = () => void setImmediate(() => this.nodes.get(to)?.hear(from, payload))
    if (!this.holds(message, deliver)) deliver()
  }

  async close(): Promise<void> {
    await Promise.all([...this.nodes.values()].map((node) => node.stop()))
  }
}

interface NodePorts {
  call(call: HostCall): unknown
  readonly clock: CallsPorts['clock']
}

/** A node as calls see it: a sandbox, a journal in memory, and what a directive would say. */
export class LinkedNode {
  readonly journal = new MemoryJournal()
  readonly events: NodeEvent[] = []
  readonly calls: Calls
  served: ServedLink[] = []
  next: ServedLink[] | null = null
  devices: DeviceInstances[] = []
  /** By interface: the node that the newest directive has the callee on, where it says so. */
  readonly links = new Map<string, string>()
  app: PreparedApp | null = null
  online = true
  /** The newest directive has none of its instances any more. */
  leaving = false
  /** Ids of the calls that were begun, which outlive the process. */
  begun = new Set<string>()
  readonly #waiting: (() => void)[] = []
  readonly #sandbox: ReturnType<typeof createSandbox>

  constructor(name: string, network: Network, ports: Partial<NodePorts>) {
    const clock = ports.clock ?? systemClock
    this.calls = new Calls({
      node: name,
      topics,
      clock,
      link: {
        publish: async (topic, payload) => {
          if (!this.online) throw new Error('offline')
          network.send(name, topic, payload)
        },
        onState: () => () => undefined,
      },
      journal: {
        beginCall: (instance, id) => void this.begun.add(`${instanceName(instance)} ${toHex(id)}`),
        begunCall: (instance, id) => this.begun.has(`${instanceName(instance)} ${toHex(id)}`),
      },
      linked: () => ({
        served: this.served,
        next: this.next,
        devices: this.devices,
        nodeOf: (_caller, name) => this.links.get(name) ?? null,
        leaves: () => this.leaving,
        callees: this.app,
      }),
      onProblem: () => undefined,
    })
    this.#sandbox = createSandbox({
      node: name,
      clock,
      commit: (turn) => this.journal.commit(turn),
      event: (event) => {
        this.events.push(event)
        for (const wake of this.#waiting.splice(0)) wake()
      },
      call: ports.call ?? (() => ({ tag: 'err', val: 'unavailable' })),
      calls: { make: (call) => this.calls.make(call), devices: (app) => this.calls.devices(app) },
    })
  }

  hear(from: string, payload: Uint8Array): void {
    if (this.online) this.calls.receive(from, payload)
  }

  /** Runs instances; those of before are ended first. */
  async run(section: RunnableSection): Promise<PreparedApp> {
    await this.app?.stop({ save: false })
    const app = await this.#sandbox.prepare(section, this.journal)
    await app.activate()
    this.app = app
    this.calls.review()
    return app
  }

  async swap(section: RunnableSection): Promise<void> {
    const flip = await this.prepare(section)
    await flip()
  }

  /** Makes instances ready; the result is called to have them take over. */
  async prepare(section: RunnableSection): Promise<() => Promise<void>> {
    const next = await this.#sandbox.prepare(section, this.journal)
    return async () => {
      await this.#sandbox.swap(this.app, next, { budgetMs: 5_000, saved: () => undefined })
      this.app = next
      this.next = null
      this.calls.review()
    }
  }

  /** Has it answer calls of an interface that come from these. */
  serve(
    module: string,
    name: string,
    callers: readonly { node: string; module: string; home?: string | null }[],
    home: string | null = null,
  ): void {
    this.served.push({
      module,
      home,
      interface: name,
      callers: callers.map((caller) => ({ home: null, ...caller })),
    })
  }

  samplesOf(instance: Partial<InstanceKey> & { module: string }): string[] {
    return this.journal
      .of({ app: 'app', home: null, ...instance })
      .flatMap(({ samples }) => samples.map(({ metric, value }) => `${metric}=${value}`))
  }

  async event(code: string): Promise<NodeEvent> {
    for (;;) {
      const found = this.events.find((event) => event.code === code)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  async stop(): Promise<void> {
    const { app } = this
    this.app = null
    await app?.stop({ save: false })
    await this.#sandbox.close()
  }
}
