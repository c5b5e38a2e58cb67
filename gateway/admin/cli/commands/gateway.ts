import type { Command } from 'commander'
import type { Status } from '../../api/schemas/access.ts'
import type { AppSummary } from '../../api/schemas/apps.ts'
import type { UpstreamAnswer, UpstreamView } from '../../api/schemas/sites.ts'
import { defineCommand } from '../cli.ts'
import { listing, relativeTime } from '../table.ts'
import { appTable } from './apps.ts'
import { describeUpstream } from './upstream.ts'

export function registerGateway(program: Command): void {
  defineCommand<[], { edge: boolean }>(
    program,
    {
      usage: 'gateway',
      summary: "run the fleet's gateway until it is ended with Ctrl-C",
      description:
        "Run the fleet's gateway in this process, with its broker, its database and an edge agent, until it is ended with Ctrl-C.",
      options: [['--no-edge', 'without an edge agent beside it']],
      examples: ['gateway', 'gateway --no-edge --home /srv/hypha'],
    },
    async (cli, { edge }) => {
      const { startGateway } = await import('../../../gateway.ts')
      // Listened for from the start, so that Ctrl-C while it starts stops it in order, too; a second one ends it at once.
      const interrupted = new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve))
      const gateway = await startGateway({ home: cli.home, edge, json: cli.json })
      await interrupted
      await gateway.stop()
    },
  )
  defineCommand(
    program,
    { usage: 'status', summary: 'the fleet at a glance', examples: ['status', 'status --json'] },
    async (cli) => {
      const status = await cli.api.request<Status>('GET', '/v1/status')
      const apps = cli.json ? [] : await cli.api.request<AppSummary[]>('GET', '/v1/apps')
      const { upstream } = await cli.api.request<UpstreamAnswer>('GET', '/v1/upstream')
      cli.print({ ...status, upstream }, () => describeStatus(status, apps, upstream))
    },
  )
  defineCommand(
    program,
    {
      usage: 'openapi',
      summary: "print the description of the gateway's HTTP API",
      description: "Print the description of the gateway's HTTP API, in OpenAPI 3.1.",
      examples: ['openapi > hypha.json'],
    },
    async (cli) => {
      const document = await cli.api.request<object>('GET', '/openapi.json')
      cli.print(document, () => JSON.stringify(document, null, 2))
    },
  )
}

function describeStatus(status: Status, apps: readonly AppSummary[], upstream: UpstreamView | null): string {
  const { nodes, instances, api, broker } = status
  const parts = [
    listing([
      ['fleet', status.fleet],
      ['gateway', `${status.version}, started ${relativeTime(status.startedAt, status.now)}`],
      ['nodes', `${nodes.online} of ${nodes.total} online`],
      ['instances', `${instances.running} of ${instances.wanted} run`],
      ['HTTP API', `https://${api.host}:${api.port}`],
      ['broker', `mqtts://${broker.host}:${broker.port}`],
    ]),
    ...(upstream === null ? [] : [describeUpstream(upstream)]),
    appTable(apps),
  ]
  if (status.notices.length > 0) parts.push(status.notices.map((notice) => `! ${notice}`).join('\n'))
  return parts.join('\n\n')
}
