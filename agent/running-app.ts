import type { Section } from '@hypha/core/trust/directive.ts'
import type { InstanceState } from '@hypha/core/wire/messages/state.ts'
import { topicMatches } from '@hypha/core/wire/topics.ts'
import type { Installed } from './install/machine.ts'
import type { PreparedApp } from './sandbox/sandbox.ts'
import type { InboxInput, InstanceKey } from './turns.ts'
import type { VerifiedRelease } from './verify/verifier.ts'

const deviceBound = /^hypha:host\/(sensor|actuator)@/

/** A release of an app that runs, with what it was made of. */
export class RunningApp {
  readonly prepared: PreparedApp
  #installed: Installed
  #section: Section
  readonly #subscribe: ReadonlyMap<string, readonly string[]>
  /** Modules that import what is attached to a device. */
  readonly #bound: ReadonlySet<string>
  #failuresSeen: number

  constructor(installed: Installed, { section, release }: VerifiedRelease, prepared: PreparedApp) {
    this.prepared = prepared
    this.#installed = installed
    this.#section = section
    this.#subscribe = new Map(release.modules.map(({ name, spec }) => [name, spec.subscribe]))
    const bound = release.modules.filter(({ world }) => world.imports.some(({ name }) => deviceBound.test(name)))
    this.#bound = new Set(bound.map(({ name }) => name))
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

  /** Whether an instance could run on no other node: it belongs to a device, and reads or moves what is attached to that. */
  isBound({ module, home }: InstanceKey): boolean {
    return home !== null && this.#bound.has(module)
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
