import { topicMatches } from '@hypha/core/wire/topics.ts'
import type { InputTarget } from '../store/inputs.ts'
import type { PlannedApp } from './capacity.ts'

interface Inbox extends InputTarget {
  readonly filters: readonly string[]
}

/** Who published: a module's instance, or a client that is no node. */
export interface Publisher {
  readonly app: string
  /** Relative to the app. */
  readonly topic: string
  readonly home: string | null
  /** The node that ran the publisher, which gives the message to its own instances itself; null for a client. */
  readonly node: string | null
}

/** Which instances' inboxes messages go to, as the plans in force say. */
export class Routes {
  #inboxes = new Map<string, Inbox[]>()

  set(apps: Iterable<PlannedApp>): void {
    this.#inboxes = new Map([...apps].map((app) => [app.plan.app, inboxesOf(app)]))
  }

  /** A message whose publisher has a home goes only to instances of the same home or of none; one without a home to all. */
  targets({ app, topic, home, node }: Publisher): InputTarget[] {
    const found: InputTarget[] = []
    for (const { filters, ...target } of this.#inboxes.get(app) ?? []) {
      if (target.node === node) continue
      if (home !== null && target.home !== null && target.home !== home) continue
      if (filters.some((filter) => topicMatches(filter, topic))) found.push(target)
    }
    return found
  }
}

function inboxesOf({ plan, release }: PlannedApp): Inbox[] {
  const filters = new Map(release.release.modules.map(({ name, spec }) => [name, spec.subscribe]))
  return plan.instances.flatMap(({ module, home, node }) => {
    const own = filters.get(module) ?? []
    return own.length === 0 ? [] : [{ node, app: plan.app, module, home, filters: own }]
  })
}
