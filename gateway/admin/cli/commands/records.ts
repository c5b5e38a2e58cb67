import type { Command } from 'commander'
import type { EventLine, LogLine } from '../../api/schemas/data.ts'
import { type Cli, defineCommand, parseDuration, wholeNumber } from '../cli.ts'
import { untilInterrupted } from '../follow.ts'
import { inLocalTime, printable, timestamp } from '../table.ts'

interface LineOptions {
  follow?: boolean
  site?: string
  app?: string
  module?: string
  node?: string
  level?: string
  since?: string
  limit: string
}

const filters = [
  ['-f, --follow', 'go on with new ones as they come, until Ctrl-C'],
  ['--site <site>', 'of what this site has forwarded'],
  ['--app <app>', 'only of this app'],
  ['--module <module>', 'only of modules of this name'],
  ['--node <node>', 'only of this node'],
  ['--since <duration>', 'only what is younger, such as 1h'],
] as const

export function registerRecords(program: Command): void {
  defineCommand<[], LineOptions>(
    program,
    {
      usage: 'logs',
      summary: 'what modules have logged, or log',
      options: [
        ...filters,
        ['--level <level>', 'only from this level on: debug, info, warn or error'],
        ['--limit <count>', 'how many of the newest', '100'],
      ],
      examples: ['logs -f', 'logs --app greenhouse --level warn --since 1h'],
    },
    (cli, options) => showLines<LogLine>(cli, '/v1/logs', options, logLine),
  )
  defineCommand<[], LineOptions>(
    program,
    {
      usage: 'events',
      summary: 'what happened in the fleet, or happens',
      options: [...filters, ['--limit <count>', 'how many of the newest', '100']],
      examples: ['events -f', 'events --node pi-7 --since 24h'],
    },
    (cli, options) => showLines<EventLine>(cli, '/v1/events', options, eventLine),
  )
}

/** Lines of the past, the newest last; with --follow also those to come, none missing and none twice in between. */
async function showLines<Line extends { readonly id: number }>(
  cli: Cli,
  path: string,
  { follow, site, app, module, node, level, since, limit }: LineOptions,
  text: (line: Line) => string,
): Promise<void> {
  const filter = { site, app, module, node, level }
  const from = since === undefined ? undefined : Date.now() - parseDuration(since, '--since')
  const query = { ...filter, from, limit: wholeNumber(limit, '--limit', 1, 10_000) }
  const past = () => cli.api.request<Line[]>('GET', path, { query })
  if (!follow) {
    const lines = await past()
    return cli.print(
      lines,
      () => lines.map(text).join('\n') || (hasFilter(filter) ? 'Nothing that fits.' : 'Nothing yet.'),
    )
  }
  await untilInterrupted(async (signal) => {
    const following = await cli.api.follow<Line>(`${path}/follow`, filter, signal)
    let last = 0
    const show = (line: Line): void => {
      if (line.id <= last) return
      last = line.id
      cli.print(line, () => text(line))
    }
    for (const line of await past()) show(line)
    for await (const line of following) show(line)
  })
}

const hasFilter = (filter: object): boolean => Object.values(filter).some((each) => each !== undefined)

const logLine = ({ at, node, app, module, home, level, text }: LogLine): string =>
  `${timestamp(at)}  ${level.padEnd(5)}  ${node}  ${app}/${module}${home === null || home === node ? '' : ` of ${home}`}  ${printable(text)}`

function eventLine({ at, node, app, module, home, code, text }: EventLine): string {
  const what = [app, module].filter((each) => each !== null).join('/')
  const owner = home === null || home === node ? '' : ` of ${home}`
  return [timestamp(at), node ?? 'gateway', `${what}${owner}`, code, inLocalTime(printable(text), at)]
    .filter((part) => part !== '')
    .join('  ')
}
