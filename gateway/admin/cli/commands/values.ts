import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import type { HistoryAnswer, Value } from '../../api/schemas/data.ts'
import { type Cli, defineCommand, parseDuration } from '../cli.ts'
import { untilInterrupted } from '../follow.ts'
import { type Column, formatNumber, relativeTime, sparkline, table, timestamp } from '../table.ts'

interface ValueOptions {
  follow?: boolean
  site?: string
  app?: string
  module?: string
  metric?: string
  of?: string
  node?: string
  history?: string
}

/** More would be as many requests. */
const maxHistories = 64

export function registerValues(program: Command): void {
  defineCommand<[], ValueOptions>(
    program,
    {
      usage: 'values',
      summary: 'the last value of each metric, or values as they arrive',
      options: [
        ['-f, --follow', 'show values as they arrive, until Ctrl-C'],
        ['--site <site>', 'of what this site has forwarded'],
        ['--app <app>', 'only of this app'],
        ['--module <module>', 'only of modules of this name'],
        ['--metric <metric>', 'only this metric'],
        ['--of <device>', 'only of instances of this device; "site" for shared ones'],
        ['--node <node>', 'only what this node has emitted'],
        ['--history <duration>', 'with a line of bars for the time up to now, such as 1h or 7d'],
      ],
      examples: ['values', 'values -f --app greenhouse', 'values --metric temperature --history 24h'],
    },
    async (cli, options) => {
      const { site, app, module, metric, node } = options
      const query = { site, app, module, metric, node, home: options.of }
      if (options.follow) {
        if (options.history !== undefined) {
          throw new HyphaError('argument-invalid', '--follow and --history exclude each other')
        }
        return followValues(cli, query)
      }
      const values = await cli.api.request<Value[]>('GET', '/v1/values', { query })
      if (options.history === undefined) return cli.print(values, () => valueTable(values))
      const histories = await fetchHistories(cli, site, values, parseDuration(options.history, '--history'))
      const answer = values.map((value, index) => ({ ...value, history: histories[index]!.points }))
      cli.print(answer, () => {
        const bars = new Map(answer.map((each) => [each as Value, sparkline(each.history.map(({ mean }) => mean))]))
        return valueTable(answer, { heading: `LAST ${options.history}`, text: (value) => bars.get(value) ?? '' })
      })
    },
  )
}

async function followValues(cli: Cli, query: Record<string, string | undefined>): Promise<void> {
  await untilInterrupted(async (signal) => {
    const following = await cli.api.follow<Value>('/v1/values/follow', query, signal)
    const show = (value: Value): void => cli.print(value, () => valueLine(value))
    const last = await cli.api.request<Value[]>('GET', '/v1/values', { query })
    for (const value of last.sort((a, b) => a.at - b.at)) show(value)
    const shown = new Set(last.map((value) => JSON.stringify(value)))
    for await (const value of following) if (!shown.delete(JSON.stringify(value))) show(value)
  })
}

function fetchHistories(
  cli: Cli,
  site: string | undefined,
  values: readonly Value[],
  spanMs: number,
): Promise<HistoryAnswer[]> {
  if (values.length > maxHistories) {
    throw new HyphaError('argument-invalid', `${values.length} metrics are too many for --history`, {
      mend: `Ask for at most ${maxHistories}: narrow it with --app, --module, --metric or --of.`,
    })
  }
  const from = Date.now() - spanMs
  const by = spanMs <= 600_000 ? 'sample' : spanMs <= 172_800_000 ? 'minute' : 'hour'
  return Promise.all(
    values.map(({ app, module, metric, home }) => {
      const query = { site, app, module, metric, home: home ?? 'site', from, by }
      return cli.api.request<HistoryAnswer>('GET', '/v1/values/history', { query })
    }),
  )
}

const valueTable = (values: readonly Value[], trend?: Column<Value>): string =>
  values.length === 0
    ? 'No values yet.'
    : table<Value>(
        [
          { heading: 'APP', text: ({ app }) => app },
          { heading: 'MODULE', text: ({ module }) => module },
          { heading: 'OF', text: ({ home }) => home ?? 'site' },
          { heading: 'METRIC', text: ({ metric }) => metric },
          { heading: 'VALUE', text: ({ value }) => formatNumber(value), right: true },
          { heading: 'WHEN', text: ({ at }) => relativeTime(at) },
          { heading: 'FROM', text: ({ node }) => node },
          ...(trend === undefined ? [] : [trend]),
        ],
        values,
      )

const valueLine = ({ at, node, app, module, home, metric, value }: Value): string =>
  `${timestamp(at)}  ${node}  ${app}/${module}${home === null || home === node ? '' : ` of ${home}`}  ${metric} ${formatNumber(value)}`
