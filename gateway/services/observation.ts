import type { RolloutPolicy } from '@hypha/core/trust/release.ts'
import type { NodeObservation, Observation } from '../distribute/health.ts'
import type { Store } from '../store/store.ts'
import { reportedBy } from './reported.ts'

/** What is to be looked at: an app's epoch, on the nodes that have flipped to it. */
export interface ObservationAsked {
  readonly app: string
  /** The lowest under which its release runs. */
  readonly epoch: number
  readonly nodes: readonly string[]
  /** The metrics that the author watches: no others are read. */
  readonly bounds: RolloutPolicy['health']
  /** When the first of them flipped, ms since 1970. */
  readonly sinceMs: number
}

const maxEvents = 10_000
const maxSeries = 100_000

/**
 * What the store knows of an app since its flip. Samples and states carry their epoch, so that none of what ran before is taken for what runs now; events carry the time of their node only, and one whose
 * clock is behind tells of missed ticks that nobody counts.
 */
export function observe(
  store: Pick<Store, 'nodes' | 'events' | 'series'>,
  { app, epoch, nodes, bounds, sinceMs }: ObservationAsked,
): Observation {
  const watched = new Map(bounds.map(({ module, metric }) => [`${module}.${metric}`, { app, module, metric }]))
  const values = Map.groupBy(
    [...watched.values()]
      .flatMap((series) => store.series.latest(series, maxSeries, 'runner'))
      .filter((value) => value.epoch >= epoch),
    ({ node }) => node,
  )
  const missed = Map.groupBy(
    store.events
      .list({ app, limit: maxEvents })
      .filter(({ code, at, module }) => code === 'ticks-missed' && module !== null && at >= sinceMs),
    ({ node }) => node,
  )
  return {
    nodes: nodes.map((node): NodeObservation => {
      const record = store.nodes.get(node)
      const sections = (record && reportedBy(record)?.sections) ?? []
      const section = sections.find((each) => each.app === app && each.epoch >= epoch)
      const ticks = Map.groupBy(missed.get(node) ?? [], ({ module, home }) => JSON.stringify([module, home]))
      return {
        node,
        instances: section?.instances ?? [],
        missedTicks: [...ticks.values()].map((events) => ({
          module: events[0]!.module!,
          home: events[0]!.home,
          count: events.reduce((sum, { text }) => sum + missedTicksIn(text), 0),
        })),
        values: values.get(node) ?? [],
      }
    }),
  }
}

/** "14 ticks were missed: …"; an event says at least one. */
const missedTicksIn = (text: string): number => Number(/^\d{1,9}/.exec(text)?.[0] ?? 1)
