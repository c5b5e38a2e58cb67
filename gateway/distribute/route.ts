import type { Release } from '@hypha/core/trust/release.ts'
import { topicMatches } from '@hypha/core/wire/topics.ts'
import type { Plan } from '../plan.ts'

/** An instance that takes part in an app's messages. */
interface RoutedInstance {
  readonly node: string
  readonly module: string
  readonly home: string | null
}

/** What an app's messages are routed by: what its release says of its modules, and where its plan has put them. */
export interface AppRoutes {
  readonly app: string
  /** Topic filters relative to the app, by module. */
  readonly subscribe: ReadonlyMap<string, readonly string[]>
  readonly publish: ReadonlyMap<string, readonly string[]>
  readonly instances: readonly RoutedInstance[]
}

export function appRoutes(plan: Plan, release: Release): AppRoutes {
  const filters = (of: 'subscribe' | 'publish') => new Map(release.modules.map(({ name, spec }) => [name, spec[of]]))
  return {
    app: plan.app,
    subscribe: filters('subscribe'),
    publish: filters('publish'),
    instances: plan.instances.map(({ node, module, home }) => ({ node, module, home })),
  }
}

/** Who published: a module's instance on a node, or a client that is no node. */
export type Publisher =
  | { readonly kind: 'world' }
  | ({
      readonly kind: 'instance'
      /** Instances that its node has given the message to; null where it hasn't said. */
      readonly served: readonly Omit<RoutedInstance, 'node'>[] | null
    } & RoutedInstance)

export const world: Publisher = { kind: 'world' }

export interface Target extends RoutedInstance {
  readonly app: string
}

/** Whether the release lets this module publish on this topic. */
function mayPublish(routes: AppRoutes, module: string, topic: string): boolean {
  return routes.publish.get(module)?.some((filter) => topicMatches(filter, topic)) === true
}

/**
 * The instances whose inboxes a message is for. What belongs to a device stays with it: a message whose publisher has a home goes to instances with the same home or
 * none, one without a home to all. Instances that the publisher's own node has served itself, also offline, are left out: as it says, for by
 * now the plan may have them elsewhere, or there again; where it doesn't say, those that the plan has there. [P 9.4, P 9.5]
 *
 * `topic` is relative to the app. Null if the publisher may not publish on it.
 */
export function routeMessage(routes: AppRoutes, from: Publisher, topic: string): Target[] | null {
  if (from.kind === 'instance' && !mayPublish(routes, from.module, topic)) return null
  const subscribed = new Set(
    [...routes.subscribe]
      .filter(([, filters]) => filters.some((filter) => topicMatches(filter, topic)))
      .map(([m]) => m),
  )
  const home = from.kind === 'instance' ? from.home : null
  const isServed = (to: RoutedInstance): boolean => {
    if (from.kind === 'world') return false
    if (from.served === null) return to.node === from.node
    return from.served.some(({ module, home }) => to.module === module && to.home === home)
  }
  return routes.instances
    .filter(
      (to) => subscribed.has(to.module) && !isServed(to) && (home === null || to.home === null || to.home === home),
    )
    .map((to) => ({ app: routes.app, ...to }))
}
