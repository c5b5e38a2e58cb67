import { logLevels } from '@hypha/core/wire/messages/report.ts'
import type {
  EventLine,
  EventQuery,
  HistoryAnswer,
  HistoryQuery,
  LogLine,
  LogQuery,
  Value,
  ValueFilter,
} from '../admin/api/schemas/data.ts'
import type { Services } from '../admin/api/services.ts'
import type { SeriesFilter } from '../store/series.ts'
import type { Store } from '../store/store.ts'
import type { GatewayDeps } from './deps.ts'
import { Feeds } from './feeds.ts'
import { notFound } from './not-found.ts'

const maxPoints = 100_000

type Telemetry = Pick<Store, 'series' | 'rollups' | 'logs' | 'events'>

/** Values, logs and events: what the nodes reported. */
export function dataServices(
  { store, clock }: Pick<GatewayDeps, 'store' | 'clock'>,
  feeds: Feeds,
): Pick<Services, 'values' | 'logs' | 'events'> {
  const of = ({ site }: { readonly site?: string }): Telemetry => {
    if (site === undefined) return store
    if (store.sites.get(site) === null) throw notFound('site', site)
    return store.sites.telemetry(site)
  }
  const ofSites = new Map<string, Feeds>()
  /** What a site forwards comes a batch at a time, about as fast as it is stored there. */
  const feedsOf = ({ site }: { readonly site?: string }): Feeds => {
    if (site === undefined) return feeds
    const known = ofSites.get(site)
    if (known !== undefined) return known
    of({ site })
    const made = new Feeds()
    store.sites.listen(site, ({ values, logs, events }) => {
      made.values.publish(values.map(asValue))
      made.logs.publish(logs)
      made.events.publish(events)
    })
    ofSites.set(site, made)
    return made
  }
  return {
    values: {
      last: async (filter) => of(filter).series.latest(seriesFilter(filter)).map(asValue),
      history: async (query) => history(of(query), query, clock.now()),
      follow: (filter, signal) => feedsOf(filter).values.follow((value) => valueMatches(filter, value), signal),
    },
    logs: {
      query: async (query) => {
        const found = of(query)
          .logs.list(recordQuery(query))
          .filter((line) => logMatches(query, line))
        return newest(found, query.limit)
      },
      follow: (query, signal) => feedsOf(query).logs.follow((line) => logMatches(query, line), signal),
    },
    events: {
      query: async (query) => {
        const found = of(query)
          .events.list(recordQuery(query))
          .filter((line) => lineMatches(query, line))
        return newest(found, query.limit)
      },
      follow: (query, signal) => feedsOf(query).events.follow((line) => lineMatches(query, line), signal),
    },
  }
}

/** On the outside "site" stands for what belongs to no device, in the store the empty text. */
function seriesFilter({ app, module, home, node, metric }: ValueFilter): SeriesFilter {
  return {
    app: app ?? null,
    module: module ?? null,
    home: home === undefined ? null : home === 'site' ? '' : home,
    node: node ?? null,
    metric: metric ?? null,
  }
}

const asValue = ({
  app,
  module,
  home,
  node,
  metric,
  value,
  at,
}: Omit<Value, 'value'> & { value: number | null }): Value => ({
  app,
  module,
  home,
  node,
  metric,
  // JSON has no NaN.
  value: value !== null && Number.isFinite(value) ? value : null,
  at,
})

const fits = <T>(wanted: T | undefined, is: T | null): boolean => wanted === undefined || wanted === is

const valueMatches = (filter: ValueFilter, value: Value): boolean =>
  fits(filter.app, value.app) &&
  fits(filter.module, value.module) &&
  fits(filter.home, value.home ?? 'site') &&
  fits(filter.node, value.node) &&
  fits(filter.metric, value.metric)

const lineMatches = (query: EventQuery, line: EventLine | LogLine): boolean =>
  fits(query.app, line.app) &&
  fits(query.module, line.module) &&
  fits(query.node, line.node) &&
  line.at >= (query.from ?? 0) &&
  line.at < (query.to ?? Number.POSITIVE_INFINITY)

/** A level asks for the lines of that level and of those above it. */
const logMatches = (query: LogQuery, line: LogLine): boolean =>
  lineMatches(query, line) && logLevels.indexOf(line.level) >= logLevels.indexOf(query.level ?? 'debug')

/** Time and level aren't indexed: where they are asked for, they are picked from the newest that the store gives. */
function recordQuery(query: LogQuery) {
  const { app, module, node, limit, from, to, level } = query
  const picks = from !== undefined || to !== undefined || level !== undefined
  return {
    app: app ?? null,
    module: module ?? null,
    node: node ?? null,
    ...(picks ? { limit: 10_000 } : limit === undefined ? {} : { limit }),
  }
}

const newest = <T>(found: readonly T[], limit = 200): T[] => found.slice(-limit)

function history(store: Telemetry, query: HistoryQuery, now: number): HistoryAnswer {
  const { by = 'sample', from = 0, to = now + 1, limit = 10_000 } = query
  const filter = seriesFilter(query)
  // One more than asked for tells whether there are more.
  const range = { from, to, limit: Math.min(limit + 1, maxPoints) }
  const points =
    by === 'sample'
      ? store.series.history(filter, range).map(({ at, value }) => {
          const number = Number.isFinite(value) ? value : null
          return { at, min: number, max: number, mean: number, count: 1 }
        })
      : store.rollups.history(filter, { ...range, by }).map(({ at, min, max, sum, count }) => ({
          at,
          min,
          max,
          mean: sum === null || count === 0 ? null : sum / count,
          count,
        }))
  return { points: points.slice(0, limit), more: points.length > limit }
}
