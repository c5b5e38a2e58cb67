import type { Section } from '@hypha/core/trust/directive.ts'
import { instanceName } from '@hypha/core/wire/ids.ts'
import type { AppPorts } from './app-ports.ts'
import type { LeavingInstance } from './turns.ts'

type LeavingPorts = Pick<AppPorts, 'letGo'> & { readonly journal: Pick<AppPorts['journal'], 'instancesOf'> }

/**
 * Instances of an app that this node is to run no more, until their last word is written down for the gateway: those that have left something behind here, and those that were told to it since its start, also where
 * they never began, for the node that they go to waits for the word. [P 13.3]
 */
export class LeavingInstances {
  readonly #app: string
  readonly #ports: LeavingPorts
  /** By name: they may have left nothing behind. */
  readonly #told = new Map<string, LeavingInstance>()

  constructor(app: string, ports: LeavingPorts) {
    this.#app = app
    this.#ports = ports
  }

  /** What was wanted, or ran, gives way to something else. */
  replaced(before: readonly (Section | null)[], now: readonly (Section | null)[]): void {
    for (const section of before) {
      for (const { module, home } of section?.instances ?? []) {
        const given = section?.states?.find((each) => each.module === module && each.home === home)
        const leaving = { app: this.#app, module, home, move: given?.move ?? 0 }
        this.#told.set(instanceName(leaving), leaving)
      }
    }
    for (const name of this.#namesOf(now)) this.#told.delete(name)
  }

  /** All that isn't of what runs and is to go on running: `running` is null where nothing is. Throws where that can't be written down: then they are remembered until the next time. */
  async letGo(running: Section | null, stoppedAgoMs: number): Promise<void> {
    const here = this.#namesOf([running])
    const left = this.#ports.journal.instancesOf(this.#app).map((key) => ({ ...key, move: 0 }))
    const all = new Map([...left.map((each) => [instanceName(each), each] as const), ...this.#told])
    const leaving = [...all].filter(([name]) => !here.has(name))
    if (leaving.length === 0) return
    await this.#ports.letGo(
      leaving.map(([, each]) => each),
      stoppedAgoMs,
    )
    for (const [name] of leaving) this.#told.delete(name)
  }

  #namesOf(sections: readonly (Section | null)[]): Set<string> {
    const instances = sections.flatMap((section) => section?.instances ?? [])
    return new Set(instances.map((each) => instanceName({ app: this.#app, ...each })))
  }
}
