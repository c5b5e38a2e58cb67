import type { Section } from '@hypha/core/trust/directive.ts'
import type { InstanceState } from '@hypha/core/wire/messages/state.ts'
import { topicMatches } from '@hypha/core/wire/topics.ts'
import type { Installed } from './install/machine.ts'
import type { PreparedApp } from './sandbox/sandbox.ts'
import type { InboxInput, InstanceKey } from './turns.ts'
import type { VerifiedRelease } from './verify/verifier.ts'

/** A release of an app that runs, with what it was made of. */
export class RunningApp {
  readonly prepared: PreparedApp
  #installed: Installed
  #section: Section
  readonly #subscribe: ReadonlyMap<string, readonly string[]>
  #failuresSeen: number

  constructor(installed: Installed, { section, release }: VerifiedRelease, prepared: PreparedApp) {
    this.prepared = prepared
    this.#installed = installed
    this.#section = section
    this.#subscribe = new Map(release.modules.map(({ name, spec }) => [name, spec.subscribe]))
    this.#failuresSeen = this.#failures()
  }

  get installed(): Installed {
    return this.#installed
  }

  get section(): Section {
    return this.#section
  }

  /** Other signatures are on the same release: nothing of what runs changes. */
  resigned(installed: Installed, { section }: VerifiedRelease): void {
    this.#installed = installed
    this.#section = section
  }

  /** The instances that have an inbox for the topic, and whom a message with this home may reach. */
  subscribers(topic: string, home: string | null): InstanceKey[] {
    return this.section.instances
      .filter((instance) => home === null || instance.home === null || instance.home === home)
      .filter(({ module }) => this.#subscribe.get(module)!.some((filter) => topicMatches(filter, topic)))
      .map(({ module, home }) => ({ app: this.section.app, module, home }))
  }

  deliver(instance: InstanceKey, input: InboxInput): 'queued' | 'full' | 'done' | 'absent' {
    const { module, home } = instance
    const here = this.section.instances.some((each) => each.module === module && each.home === home)
    return here ? this.prepared.deliver(instance, input) : 'absent'
  }

  instances(): InstanceState[] {
    return this.prepared.instances()
  }

  /** What an instance failed with since this was asked last; null where none failed. */
  takeFailure(): string | null {
    const failures = this.#failures()
    const fresh = failures > this.#failuresSeen
    this.#failuresSeen = failures
    return fresh ? (this.instances().find(({ error }) => error !== null)?.error ?? 'unknown') : null
  }

  #failures(): number {
    const { traps, deadlines } = this.prepared.health()
    return traps + deadlines
  }
}
