import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import type { AppDetail, AppSummary, ReleaseDetail, ReleaseSummary } from '../../api/schemas/apps.ts'
import { defineCommand, wholeNumber } from '../cli.ts'
import { formatBytes, listing, relativeTime, table, timestamp } from '../table.ts'

const pathOf = (app: string): string => `/v1/apps/${encodeURIComponent(app)}`

export function registerApps(program: Command): void {
  defineCommand(
    program,
    { usage: 'apps', summary: 'list the apps', examples: ['apps', 'apps --json'] },
    async (cli) => {
      const apps = await cli.api.request<AppSummary[]>('GET', '/v1/apps')
      cli.print(apps, () => appTable(apps))
    },
  )
  const app = program.command('app').summary('show and remove one app').description('One app: show, remove.')
  defineCommand<[string], object>(
    app,
    {
      usage: 'show <app>',
      summary: 'an app and where its modules run',
      isDefault: true,
      examples: ['app greenhouse', 'app show greenhouse --json'],
    },
    async (cli, _options, name) => {
      const detail = await cli.api.request<AppDetail>('GET', pathOf(name))
      cli.print(detail, () => describeApp(detail))
    },
  )
  defineCommand<[string], object>(
    app,
    {
      usage: 'rm <app>',
      summary: 'remove an app with all its releases, settings and data, from the gateway and from all nodes',
      examples: ['app rm greenhouse'],
    },
    async (cli, _options, name) => {
      await cli.api.request('DELETE', pathOf(name))
      cli.print({ removed: name }, () => `${name} is removed; nodes that are away delete it once they are back.`)
    },
  )
  registerReleases(program)
}

function registerReleases(program: Command): void {
  defineCommand<[string | undefined] & string[], object>(
    program,
    {
      usage: 'releases [app]',
      summary: 'list the releases of an app, or of all, the newest first',
      examples: ['releases', 'releases greenhouse'],
    },
    async (cli, _options, app) => {
      const names =
        app === undefined ? (await cli.api.request<AppSummary[]>('GET', '/v1/apps')).map(({ name }) => name) : [app]
      const lists = names.map((name) => cli.api.request<ReleaseSummary[]>('GET', `${pathOf(name)}/releases`))
      const releases = (await Promise.all(lists)).flat()
      cli.print(releases, () =>
        releases.length === 0
          ? 'No releases.'
          : table<ReleaseSummary>(
              [
                { heading: 'RELEASE', text: ({ app: name, number }) => `${name}@${number}`, whole: true },
                { heading: 'VERSION', text: ({ label }) => label || '-' },
                { heading: 'RUNS', text: ({ current, pending }) => (current ? 'yes' : pending ? 'pending' : '') },
                {
                  heading: 'SIGNED',
                  text: (each) => (each.threshold === 1 ? `${each.signed} of 1` : signatures(each)),
                },
                { heading: 'PUSHED', text: ({ createdAt }) => relativeTime(createdAt) },
                { heading: 'DIGEST', text: ({ digest }) => digest.slice(0, 16) },
              ],
              releases,
            ),
      )
    },
  )
  const release = program
    .command('release')
    .summary('show and remove one release')
    .description('One release. It never changes.')
  defineCommand<[string, string | undefined] & string[], object>(
    release,
    {
      usage: 'show <app> [number]',
      summary: 'what the modules of a release are and need',
      description: 'What the modules of a release are and need. Without a number: of the newest.',
      isDefault: true,
      examples: ['release greenhouse@4', 'release show greenhouse 4'],
    },
    async (cli, _options, given, second) => {
      const [app, first] = given.split('@', 2) as [string, string | undefined]
      const number = first ?? second ?? `${(await cli.api.request<AppSummary>('GET', pathOf(app))).latest}`
      if (first !== undefined && second !== undefined) {
        throw new HyphaError('argument-invalid', `Two numbers are given: ${first} and ${second}`)
      }
      const path = `${pathOf(app)}/releases/${wholeNumber(number, 'The number', 1, 0xffff_ffff)}`
      const detail = await cli.api.request<ReleaseDetail>('GET', path)
      cli.print(detail, () => describeRelease(detail))
    },
  )
  defineCommand<[string], object>(
    release,
    {
      usage: 'rm <release>',
      summary: 'remove a release that waits for signatures, or neither runs nor is the newest of its app',
      examples: ['release rm greenhouse@3'],
    },
    async (cli, _options, given) => {
      const [app, number = ''] = given.split('@', 2) as [string, string | undefined]
      await cli.api.request(
        'DELETE',
        `${pathOf(app)}/releases/${wholeNumber(number, 'The number after @', 1, 0xffff_ffff)}`,
      )
      cli.print({ removed: given }, () => `${given} is removed.`)
    },
  )
}

/** "1 of 2 (0a1b…)": by which keys, as `hypha key show` names them. */
const signatures = ({ signed, threshold, signedBy }: ReleaseSummary): string =>
  `${signed} of ${threshold}${signed === 0 ? '' : ` (${signedBy.join(' ')})`}`

/** Apps as `hypha apps` and `hypha status` show them. */
export const appTable = (apps: readonly AppSummary[]): string =>
  apps.length === 0
    ? 'No apps. Push one: hypha new my-app && hypha push my-app'
    : table<AppSummary>(
        [
          { heading: 'APP', text: ({ name }) => name, whole: true },
          { heading: 'RELEASE', text: ({ release }) => `${release ?? '-'}`, right: true },
          { heading: 'VERSION', text: ({ label }) => label || '-' },
          { heading: 'RUNNING', text: ({ running, instances }) => `${running} of ${instances}` },
          { heading: 'PLACES', text: ({ complete }) => (complete ? 'for all' : 'some are missing') },
          { heading: 'SINCE', text: ({ createdAt }) => relativeTime(createdAt) },
        ],
        apps,
      )

function describeApp(app: AppDetail): string {
  const head = listing([
    ['app', app.name],
    [
      'release',
      app.release === null
        ? 'none is to run'
        : `${app.release}${app.label === '' ? '' : ` (${app.label})`}, the newest is ${app.latest}`,
    ],
    ['floor', app.floor === 0 ? 'any release may run' : `releases below ${app.floor} may not run`],
    ['epoch', `${app.epoch}`],
    ['instances', `${app.running} of ${app.instances} run`],
    ['places', app.complete ? 'for all' : `some are missing: see hypha plan --app ${app.name}`],
  ])
  if (app.where.length === 0) return head
  const climbed = app.escalations.length === 0 ? [] : [escalationTable(app.escalations)]
  const rows = table<AppDetail['where'][number]>(
    [
      { heading: 'MODULE', text: ({ module }) => module },
      { heading: 'HOME', text: ({ home, scope }) => home ?? scope },
      { heading: 'NODE', text: ({ node, online }) => (online ? node : `${node} (offline)`) },
      { heading: 'STATUS', text: ({ status }) => status },
      { heading: 'TURNS', text: ({ turns }) => `${turns}`, right: true },
      { heading: 'RESTARTS', text: ({ restarts }) => `${restarts}`, right: true },
      { heading: 'ERROR', text: ({ error }) => error ?? '' },
    ],
    app.where,
  )
  const notes = app.where.flatMap(({ module, home, note }) =>
    note === undefined ? [] : [`${home === null ? module : `${module}@${home}`}: ${note}.`],
  )
  return [head, rows, ...(notes.length === 0 ? [] : [notes.join('\n')]), ...climbed].join('\n\n')
}

/** What may not be on a node for now, and where it is instead. */
const escalationTable = (escalations: AppDetail['escalations']): string =>
  table<AppDetail['escalations'][number]>(
    [
      { heading: 'MAY NOT BE', text: ({ module, home }) => (home === null ? module : `${module}@${home}`) },
      { heading: 'ON', text: ({ node }) => node },
      { heading: 'IS ON', text: ({ now }) => now ?? '-' },
      { heading: 'SINCE', text: ({ since }) => relativeTime(since) },
      { heading: 'BACK NOT BEFORE', text: ({ until }) => timestamp(until), whole: true },
      { heading: 'WHY', text: ({ despite, text }) => despite ?? text },
    ],
    escalations,
  )

function describeRelease(release: ReleaseDetail): string {
  const head = listing([
    ['release', `${release.app}@${release.number}${release.current ? ', the one that is to run' : ''}`],
    ['version', release.label || 'none'],
    [
      'signed',
      `${signatures(release)}${release.pending ? `; it waits: hypha sign ${release.app}@${release.number}` : ''}`,
    ],
    ['digest', release.digest],
    ['pushed', relativeTime(release.createdAt)],
    ['floor', `${release.floor}`],
  ])
  const modules = release.modules.map((module) =>
    listing([
      ['module', module.name],
      ['component', `${formatBytes(module.component.size)}, ${module.component.digest}`],
      ['core', module.core === null ? 'none' : `${formatBytes(module.core.size)}, ${module.core.digest}`],
      ['memory', formatBytes(module.memoryBytes)],
      ['imports', module.imports.join(' ') || 'nothing'],
      ['exports', module.exports.join(' ') || 'nothing'],
      [
        'driven by',
        [module.timerMs === null ? '' : `a timer of ${module.timerMs} ms`, ...module.subscribe]
          .filter((each) => each !== '')
          .join(' ') || 'calls',
      ],
      ['publishes', module.publish.join(' ') || 'nothing'],
      ['features', module.features.join(' ') || 'none'],
    ]),
  )
  return [head, ...modules].join('\n\n')
}
