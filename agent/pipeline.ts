import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import type { Content, Section } from '@hypha/core/trust/directive.ts'
import { agentApp } from '@hypha/core/wire/ids.ts'
import { directiveMessage } from '@hypha/core/wire/messages/directive.ts'
import { inputs } from '@hypha/core/wire/messages/input.ts'
import type { SectionState } from '@hypha/core/wire/messages/state.ts'
import { AgentApp } from './agent-app.ts'
import type { Neighbour, SelfUpdate } from './agent-trial.ts'
import { App, type AppSections } from './app.ts'
import type { AppPorts } from './app-ports.ts'
import type { LinkedApp } from './calls/ports.ts'
import { ownInputs } from './own-inputs.ts'
import type { InboxInput, InstanceKey, TurnRecord } from './turns.ts'

export interface PipelinePorts extends AppPorts {
  /** How this node exchanges its own program; null where it doesn't. */
  readonly update: SelfUpdate | null
  /** Journals a turn as one record; the number of each part's first message. */
  append(turn: readonly JournaledPart[]): number[]
  /** Contents that came with a directive, by their own word: `receive` looks for its digests among them. */
  offer(attachments: readonly Uint8Array[]): void
  /** Shows the gateway the envelope of the directive that this node holds: it came with an older one, and may have been restored from a backup. */
  prove(held: Uint8Array): void
  /** The apps that the directive which is held names: their commits are followed. */
  follow(apps: readonly string[]): void
  /** The node has been removed from its fleet. */
  leave(): Promise<void>
}

interface JournaledPart {
  readonly record: TurnRecord
  /** For each message, the instances on this node that are to be given it. */
  readonly targets: readonly (readonly InstanceKey[])[]
}

export interface Refusal {
  readonly code: string
  readonly message: string
}

const retryMs = 5_000

/** What a gateway says that doesn't know of the newest directive that it has made. [P 6.7] */
const superseded: ReadonlySet<string> = new Set(['directive-rollback', 'directive-conflict'])

/**
 * What the gateway says becomes what runs: each directive is verified as a whole, then every app goes its own way through
 * receive → verify → prepare → install → run (`app.ts`), and what its turns leave behind goes into the journal.
 */
export class Pipeline {
  readonly #ports: PipelinePorts
  readonly #apps = new Map<string, App | AgentApp>()
  #refused: Refusal | null = null
  /** The directive message that was refused: newer root metadata may name the key that signed it. */
  #refusedMessage: Uint8Array | null = null
  #cancelRetry = (): void => undefined

  constructor(ports: PipelinePorts) {
    this.#ports = ports
  }

  /** Runs what this node has confirmed, then goes on to what the directive that it holds asks for. */
  async boot(): Promise<void> {
    const sections = this.#heldSections()
    this.#ports.follow(namesOf(sections))
    const names = new Set([...this.#ports.installs.apps(), ...sections.map(({ app }) => app)])
    // Also where nothing is written down of it: this may be the process that is on trial.
    if (this.#ports.update !== null) names.add(agentApp)
    await Promise.all([...names].map((name) => this.#app(name, sections).boot()))
    for (const app of this.#apps.values()) app.converge()
    // What a power cut kept from being removed.
    this.#ports.settled()
  }

  /** A directive message as received. A refusal is kept, and told with the next state. [P 4.2] */
  async directive(message: Uint8Array): Promise<void> {
    const since = this.#ports.clock.monotonic()
    this.#cancelRetry()
    try {
      const { envelope, attachments } = directiveMessage.decode(message)
      const { directive } = this.#ports.verifier.verifyDirective(envelope)
      // The longest step of all that follow, and what the others are done beside.
      if (directive.sections.some((section) => this.#apps.get(section.app)?.isNew(section) ?? true)) {
        this.#ports.sandbox.warm()
      }
      // Before it is written down: a directive that is refused meanwhile must not be forgotten again.
      this.#refused = null
      this.#refusedMessage = null
      await this.#ports.keepTrust()
      if (directive.leave) return await this.#ports.leave()
      this.#ports.offer(attachments)
      for (const { app } of directive.sections) this.#app(app, directive.sections)
      for (const app of this.#apps.values()) app.want(sectionsOf(directive.sections, app.name), since)
      this.#ports.follow(namesOf(directive.sections))
      this.#ports.changed()
    } catch (thrown) {
      const error = asHyphaError(thrown)
      this.#refuse(error)
      this.#refusedMessage = message
      // A full disk passes; the gateway sends the directive again only with the next connection.
      if (error.act === 'later')
        this.#cancelRetry = this.#ports.clock.after(retryMs, () => void this.directive(message))
    }
  }

  /**
   * Root metadata has changed. What runs goes on; a directive that is not held any more, because its signer was replaced, is awaited anew. One that came before the
   * root metadata that it needs is judged again.
   */
  rootChanged(): void {
    // A release that was refused for want of a signature may have it now.
    for (const app of this.#apps.values()) app.converge()
    const message = this.#refusedMessage
    if (message !== null) void this.directive(message)
    else this.#ports.changed()
  }

  /** A commit as it is retained for an app. [P 10.4] */
  committed(app: string, envelope: Uint8Array): void {
    this.#apps.get(app)?.commit(envelope)
  }

  /** Inputs for inboxes, as received. What finds no room now comes again: the gateway keeps it until it is handled. */
  inputs(message: Uint8Array): void {
    for (const { source, number, app, module, home, ...input } of inputs.decode(message).inputs) {
      this.#apps.get(app)?.deliver({ app, module, home }, { id: { source, number }, ...input })
    }
  }

  /** Journals a turn, then gives what it published to this node's own subscribers. Throws where the journal can't take it. */
  commit(turn: readonly TurnRecord[]): void {
    const parts = turn.map((record) => {
      const { app, home } = record.instance
      const reached = ({ topic }: { topic: string }) => this.#apps.get(app)?.subscribers(topic, home) ?? []
      return { record, targets: record.messages.map(reached) }
    })
    const firsts = this.#ports.append(parts)
    for (const [part, { record, targets }] of parts.entries()) {
      for (const [index, { topic, payload }] of record.messages.entries()) {
        const id = { source: this.#ports.incarnation, number: firsts[part]! + index }
        const { home: publisher } = record.instance
        for (const target of targets[index]!) this.#give(target, { id, topic, payload, publisher })
      }
    }
  }

  /** An inbox has room again: messages of this node's own modules that found none come again. */
  redeliver(): void {
    for (const { instance, input } of ownInputs(this.#ports)) this.#give(instance, input)
  }

  sections(): SectionState[] {
    return [...this.#apps.values()].flatMap((app) => app.section() ?? [])
  }

  get refused(): Refusal | null {
    return this.#refused
  }

  /** Whether an instance that runs here could be on another node one day. */
  mayMove(instance: InstanceKey): boolean {
    return this.#apps.get(instance.app)?.mayMove(instance) ?? false
  }

  /** An app as calls over links see it; null where it isn't here. */
  linked(app: string): LinkedApp | null {
    return this.#apps.get(app)?.linked() ?? null
  }

  needed(): Content[] {
    return [...this.#apps.values()].flatMap((app) => app.needed())
  }

  /** Apps that the directive names no more and that run no more are forgotten. */
  sweep(): void {
    for (const [name, app] of this.#apps) if (app.gone) this.#apps.delete(name)
  }

  async close(): Promise<void> {
    this.#cancelRetry()
    await Promise.all([...this.#apps.values()].map((app) => app.close()))
  }

  /** In a turn of its own: a turn that publishes must not find itself inside the turns that it causes. */
  #give(target: InstanceKey, input: InboxInput): void {
    queueMicrotask(() => this.#apps.get(target.app)?.deliver(target, input))
  }

  #heldSections(): readonly Section[] {
    return this.#ports.verifier.held?.directive.sections ?? []
  }

  #app(name: string, sections: readonly Section[]): App | AgentApp {
    const known = this.#apps.get(name)
    if (known !== undefined) return known
    const wanted = sectionsOf(sections, name)
    const { update } = this.#ports
    const app =
      name === agentApp
        ? new AgentApp(wanted.run, this.#ports, update, () => this.#neighbours())
        : new App(name, wanted, this.#ports)
    this.#apps.set(name, app)
    return app
  }

  /** The other apps, as they do while the agent's own program is exchanged. */
  #neighbours(): Neighbour[] {
    return this.sections().flatMap(({ app: name, instances }) =>
      name === agentApp
        ? []
        : [{ name, running: instances.every(({ status }) => status === 'running') && instances.length > 0 }],
    )
  }

  #refuse(error: HyphaError): void {
    this.#refused = { code: error.code, message: error.message }
    this.#ports.event({ instance: null, code: 'directive-refused', text: `${error.message} [${error.code}]` })
    const { held } = this.#ports.verifier
    if (superseded.has(error.code) && held !== null) this.#ports.prove(held.envelope)
    this.#ports.changed()
  }
}

const sectionsOf = (sections: readonly Section[], name: string): AppSections => {
  const of = (wanted: Section['phase']) => sections.find(({ app, phase }) => app === name && phase === wanted) ?? null
  return { run: of('run'), prepare: of('prepare') }
}

const namesOf = (sections: readonly Section[]): string[] => [...new Set(sections.map(({ app }) => app))]
