import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import type { Status, TokenMade, TokenView } from '../../api/schemas/access.ts'
import { defineCommand, parseDuration } from '../cli.ts'
import { writeSecret } from '../secret-file.ts'
import { listing, relativeTime, table } from '../table.ts'

export function registerTokens(program: Command): void {
  const token = program
    .command('token')
    .summary('tokens for the HTTP API')
    .description('Tokens for the HTTP API over TLS: create, list, show, remove.')
  defineCommand<[string], { role: string; app?: string[]; for?: string; save?: string }>(
    token,
    {
      usage: 'create <name>',
      summary: 'make a token, shown once',
      options: [
        ['--role <role>', 'viewer, publisher, operator or admin', 'viewer'],
        ['--app <app...>', "what a publisher may publish: an app, or 'lab-*' for all whose names begin so"],
        ['--for <duration>', 'how long it is valid (default: until it is removed)'],
        ['--save <file>', 'write address, token and CA as a file for --credentials on another machine'],
      ],
      examples: [
        "token create ci --role publisher --app greenhouse --app 'lab-*' --save ci.json",
        'push --credentials ci.json',
      ],
    },
    async (cli, options, name) => {
      const days = options.for === undefined ? {} : { days: parseDuration(options.for, '--for') / 86_400_000 }
      const apps = options.app === undefined ? {} : { apps: options.app }
      const made = await cli.api.request<TokenMade>('POST', '/v1/tokens', {
        json: { name, role: options.role, ...apps, ...days },
      })
      if (options.save !== undefined) {
        const { api, ca } = await cli.api.request<Status>('GET', '/v1/status')
        const content = { host: api.host, port: api.port, token: made.token, ca }
        writeSecret(options.save, `${JSON.stringify(content, null, 2)}\n`)
      }
      cli.print(made, () =>
        options.save === undefined
          ? `${made.token}\n\nIt is shown only here.`
          : `Written to ${options.save}. Use it with hypha --credentials ${options.save}, or HYPHA_CREDENTIALS.`,
      )
    },
  )
  defineCommand(token, { usage: 'list', summary: 'list the tokens', examples: ['token list'] }, async (cli) => {
    const tokens = await cli.api.request<TokenView[]>('GET', '/v1/tokens')
    cli.print(tokens, () =>
      tokens.length === 0
        ? 'No tokens.'
        : table<TokenView>(
            [
              { heading: 'NAME', text: ({ name }) => name },
              { heading: 'ROLE', text: ({ role }) => role },
              { heading: 'APPS', text: ({ apps }) => apps.join(', ') },
              { heading: 'CREATED', text: ({ createdAt }) => relativeTime(createdAt) },
              { heading: 'EXPIRES', text: ({ expiresAt }) => relativeTime(expiresAt) },
              { heading: 'LAST USED', text: ({ lastUsedAt }) => relativeTime(lastUsedAt) },
            ],
            tokens,
          ),
    )
  })
  defineCommand<[string], object>(
    token,
    { usage: 'show <name>', summary: 'what a token may do', isDefault: true, examples: ['token ci'] },
    async (cli, _options, name) => {
      const found = (await cli.api.request<TokenView[]>('GET', '/v1/tokens')).find((each) => each.name === name)
      if (found === undefined) {
        throw new HyphaError('not-found', `There is no token ${name}`, { mend: 'List them: hypha token list.' })
      }
      cli.print(found, () =>
        listing([
          ['token', found.name],
          ['fleet', found.fleet],
          ['role', found.role],
          ...(found.apps.length === 0 ? [] : [['apps', found.apps.join(', ')] as const]),
          ['made', relativeTime(found.createdAt)],
          ['expires', relativeTime(found.expiresAt)],
          ['last used', relativeTime(found.lastUsedAt)],
        ]),
      )
    },
  )
  defineCommand<[string], object>(
    token,
    { usage: 'rm <name>', summary: 'remove a token', examples: ['token rm ci'] },
    async (cli, _options, name) => {
      await cli.api.request('DELETE', `/v1/tokens/${encodeURIComponent(name)}`)
      cli.print({ removed: name }, () => `Token ${name} is removed.`)
    },
  )
}
