import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import type { ClientMade, ClientView } from '../../api/schemas/access.ts'
import { defineCommand, parseDuration } from '../cli.ts'
import { writeSecret } from '../secret-file.ts'
import { listing, relativeTime, table } from '../table.ts'

export function registerClients(program: Command): void {
  const client = program
    .command('client')
    .summary('MQTT clients that are no nodes')
    .description('Certificates for MQTT clients such as mosquitto_sub: create, list, show, remove.')
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
        writeSecret(files.key, made.key)
        writeFileSync(files.ca, made.ca)
      } catch (cause) {
        throw new HyphaError('argument-invalid', `The files can't be written: ${(cause as Error).message}`, {
          where: options.out,
          cause,
        })
      }
      const { host, port } = made.broker
      cli.print({ ...made.view, files, broker: made.broker }, () => {
        const at = `-h ${host} -p ${port} -i ${name} --cafile ${files.ca} --cert ${files.certificate} --key ${files.key}`
        // As they were granted: the broker refuses a filter that is wider, in the fleet's name, too.
        const topics = made.view.subscribe.map((filter) => ` -t '${filter}'`).join('')
        const lines = [
          ...(topics === '' ? [] : [`  mosquitto_sub ${at} -v${topics}`]),
          ...made.view.publish.map((filter) => `  mosquitto_pub ${at} -t '${topicOf(filter)}' -m '{"value":1}'`),
        ]
        return [`${name} may connect to ${host}:${port}:`, ...lines].join('\n\n')
      })
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
    { usage: 'show <name>', summary: 'what a client may do', isDefault: true, examples: ['client grafana'] },
    async (cli, _options, name) => {
      const found = (await cli.api.request<ClientView[]>('GET', '/v1/clients')).find((each) => each.name === name)
      if (found === undefined) {
        throw new HyphaError('not-found', `There is no client ${name}`, { mend: 'List them: hypha client list.' })
      }
      cli.print(found, () =>
        listing([
          ['client', found.name],
          ['may read', found.subscribe.join(' ') || 'nothing'],
          ['may write', found.publish.join(' ') || 'nothing'],
          ['certificate', `${found.fingerprint}, expires ${relativeTime(found.expiresAt)}`],
          ['made', relativeTime(found.createdAt)],
        ]),
      )
    },
  )
  defineCommand<[string], object>(
    client,
    { usage: 'rm <name>', summary: 'remove an MQTT client', examples: ['client rm grafana'] },
    async (cli, _options, name) => {
      await cli.api.request('DELETE', `/v1/clients/${encodeURIComponent(name)}`)
      cli.print({ removed: name }, () => `Client ${name} is removed.`)
    },
  )
}

/** A topic that a filter allows, with words to be replaced. */
const topicOf = (filter: string): string => filter.replace(/#$/, 'TOPIC').replaceAll('+', 'ANY')
