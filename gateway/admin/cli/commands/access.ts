import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import type { ClientMade, ClientView, Status, TokenMade, TokenView } from '../../api/schemas/access.ts'
import { defineCommand, parseDuration } from '../cli.ts'
import { relativeTime, table } from '../table.ts'

export function registerAccess(program: Command): void {
  registerTokens(
    program
      .command('token')
      .summary('tokens for the HTTP API')
      .description('Tokens for the HTTP API over TLS: create, list, remove.'),
  )
  registerClients(
    program
      .command('client')
      .summary('MQTT clients that are no nodes')
      .description('Certificates for MQTT clients such as mosquitto_sub: create, list, remove.'),
  )
}

function registerTokens(token: Command): void {
  defineCommand<[string], { role: string; for?: string; save?: string }>(
    token,
    {
      usage: 'create <name>',
      summary: 'make a token, shown once',
      options: [
        ['--role <role>', 'viewer, operator or admin', 'viewer'],
        ['--for <duration>', 'how long it is valid (default: until it is removed)'],
        ['--save <file>', 'write address, token and CA as a file for --credentials on another machine'],
      ],
      examples: ['token create ci --role admin --save ci.json', 'nodes --credentials ci.json'],
    },
    async (cli, options, name) => {
      const days = options.for === undefined ? {} : { days: parseDuration(options.for, '--for') / 86_400_000 }
      const made = await cli.api.request<TokenMade>('POST', '/v1/tokens', {
        json: { name, role: options.role, ...days },
      })
      if (options.save !== undefined) {
        const { api, ca } = await cli.api.request<Status & { ca: string }>('GET', '/v1/status')
        const content = { host: api.host, port: api.port, token: made.token, ca }
        writeFileSync(options.save, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
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
              { heading: 'CREATED', text: ({ createdAt }) => relativeTime(createdAt) },
              { heading: 'EXPIRES', text: ({ expiresAt }) => relativeTime(expiresAt) },
            ],
            tokens,
          ),
    )
  })
  defineCommand<[string], object>(
    token,
    { usage: 'rm <name>', summary: 'remove a token', examples: ['token rm ci'] },
    async (cli, _options, name) => {
      await cli.api.request('DELETE', `/v1/tokens/${encodeURIComponent(name)}`)
      cli.print({ removed: name }, () => `Token ${name} is removed.`)
    },
  )
}

function registerClients(client: Command): void {
  defineCommand<[string], { publish?: string[]; subscribe?: string[]; for: string; out: string }>(
    client,
    {
      usage: 'create <name>',
      summary: 'make a certificate for an MQTT client',
      description:
        'Make a certificate for an MQTT client that is no node, with the topics that it may use, below hypha/FLEET/.',
      options: [
        ['--subscribe <filter...>', 'what it may read: v/…, m/…'],
        ['--publish <filter...>', 'what it may write: m/…'],
        ['--for <duration>', 'how long the certificate is valid', '365d'],
        ['--out <folder>', 'where NAME.pem, NAME.key and ca.pem go', '.'],
      ],
      examples: [
        "client create grafana --subscribe 'v/#'",
        "client create script --subscribe 'v/#' --publish 'm/greenhouse/#'",
      ],
    },
    async (cli, options, name) => {
      const days = Math.max(1, Math.round(parseDuration(options.for, '--for') / 86_400_000))
      const json = { name, days, publish: options.publish ?? [], subscribe: options.subscribe ?? [] }
      const made = await cli.api.request<ClientMade>('POST', '/v1/clients', { json })
      const files = {
        certificate: join(options.out, `${name}.pem`),
        key: join(options.out, `${name}.key`),
        ca: join(options.out, 'ca.pem'),
      }
      try {
        writeFileSync(files.certificate, made.certificate)
        writeFileSync(files.key, made.key, { mode: 0o600 })
        writeFileSync(files.ca, made.ca)
      } catch (cause) {
        throw new HyphaError('argument-invalid', `The files can't be written: ${(cause as Error).message}`, {
          where: options.out,
          cause,
        })
      }
      const { host, port } = made.broker
      cli.print({ ...made.view, files, broker: made.broker }, () =>
        [
          `${name} may connect to ${host}:${port} with ${files.certificate} and ${files.key}:\n`,
          `  mosquitto_sub -h ${host} -p ${port} -i ${name} --cafile ${files.ca} --cert ${files.certificate} --key ${files.key} -v -t 'hypha/+/v/#'`,
        ].join('\n'),
      )
    },
  )
  defineCommand(client, { usage: 'list', summary: 'list the MQTT clients', examples: ['client list'] }, async (cli) => {
    const clients = await cli.api.request<ClientView[]>('GET', '/v1/clients')
    cli.print(clients, () =>
      clients.length === 0
        ? 'No clients.'
        : table<ClientView>(
            [
              { heading: 'NAME', text: ({ name }) => name },
              { heading: 'SUBSCRIBE', text: ({ subscribe }) => subscribe.join(' ') || '-' },
              { heading: 'PUBLISH', text: ({ publish }) => publish.join(' ') || '-' },
              { heading: 'EXPIRES', text: ({ expiresAt }) => relativeTime(expiresAt) },
            ],
            clients,
          ),
    )
  })
  defineCommand<[string], object>(
    client,
    { usage: 'rm <name>', summary: 'remove an MQTT client', examples: ['client rm grafana'] },
    async (cli, _options, name) => {
      await cli.api.request('DELETE', `/v1/clients/${encodeURIComponent(name)}`)
      cli.print({ removed: name }, () => `Client ${name} is removed.`)
    },
  )
}
