import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import type { ConfigEntry } from '../../api/schemas/apps.ts'
import { type Cli, defineCommand } from '../cli.ts'
import { readValue } from '../prompt.ts'
import { table } from '../table.ts'

interface WhereOptions {
  module?: string
  node?: string
}

const where = [
  ['--module <module>', 'only for this module'],
  ['--node <node>', 'only for instances on this node'],
] as const

const pathOf = (app: string, key: string): string =>
  `/v1/apps/${encodeURIComponent(app)}/config/${encodeURIComponent(key)}`

export function registerConfig(program: Command): void {
  const config = program
    .command('config')
    .summary('settings of an app, over those of its release')
    .description('Settings of an app, over those of its release: list, show, set, unset.')
  defineCommand<[string], object>(
    config,
    { usage: 'list <app>', summary: 'list what is set', isDefault: true, examples: ['config list greenhouse'] },
    async (cli, _options, app) => {
      const entries = await fetchEntries(cli, app)
      cli.print(entries, () =>
        entries.length === 0 ? `Nothing is set; ${app} has what its release says.` : entryTable(entries),
      )
    },
  )
  defineCommand<[string, string], object>(
    config,
    { usage: 'show <app> <key>', summary: 'what a key is set to', examples: ['config show greenhouse url'] },
    async (cli, _options, app, key) => {
      const entries = (await fetchEntries(cli, app)).filter((entry) => entry.key === key)
      if (entries.length === 0) {
        throw new HyphaError('not-found', `${key} is not set for ${app}`, { mend: `See hypha config list ${app}.` })
      }
      cli.print(entries, () => entryTable(entries))
    },
  )
  defineCommand<[string, string, string | undefined] & string[], WhereOptions & { secret?: boolean }>(
    config,
    {
      usage: 'set <app> <key> [value]',
      summary: 'set a key; without a value it is read from standard input',
      options: [...where, ['--secret', 'keep it from all but the nodes that need it; it is read from standard input']],
      examples: ['config set greenhouse url http://10.0.0.2:8471/', 'config set greenhouse token --secret < token.txt'],
    },
    async (cli, { module, node, secret }, app, key, given) => {
      if (secret && given !== undefined) {
        throw new HyphaError(
          'argument-invalid',
          'A secret on the command line can be seen by others, and stays in the history of the shell',
          {
            mend: `Let it be read: hypha config set ${app} ${key} --secret < FILE. Change it if others may have seen it.`,
          },
        )
      }
      const value = given ?? (await readValue(`Value of ${key}: `))
      const json = { module, node, value, secret: secret ?? false }
      const entry = await cli.api.request<ConfigEntry>('PUT', pathOf(app, key), { json })
      cli.print(entry, () => `${key} is set for ${describeWhere(entry)}.`)
    },
  )
  defineCommand<[string, string], WhereOptions>(
    config,
    {
      usage: 'unset <app> <key>',
      summary: 'unset a key: what the release says holds again',
      options: where,
      examples: ['config unset greenhouse url', 'config unset greenhouse url --node pi-7'],
    },
    async (cli, { module, node }, app, key) => {
      await cli.api.request('DELETE', pathOf(app, key), { query: { module, node } })
      cli.print({ unset: key }, () => `${key} is unset.`)
    },
  )
}

const fetchEntries = (cli: Cli, app: string): Promise<ConfigEntry[]> =>
  cli.api.request<ConfigEntry[]>('GET', `/v1/apps/${encodeURIComponent(app)}/config`)

const describeWhere = ({ app, module, node }: ConfigEntry): string =>
  `${module === null ? `all modules of ${app}` : `${module} of ${app}`}${node === null ? '' : ` on ${node}`}`

const entryTable = (entries: readonly ConfigEntry[]): string =>
  table<ConfigEntry>(
    [
      { heading: 'KEY', text: ({ key }) => key },
      { heading: 'MODULE', text: ({ module }) => module ?? 'all' },
      { heading: 'NODE', text: ({ node }) => node ?? 'all' },
      { heading: 'VALUE', text: ({ value, secret }) => (secret ? '(secret)' : (value ?? '')) },
    ],
    entries,
  )
