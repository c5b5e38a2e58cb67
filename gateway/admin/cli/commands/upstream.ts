import type { Command } from 'commander'
import type { UpstreamAnswer, UpstreamLeft, UpstreamView } from '../../api/schemas/sites.ts'
import { defineCommand } from '../cli.ts'
import { listing } from '../table.ts'

export function registerUpstream(program: Command): void {
  defineCommand<[string], { node?: string }>(
    program,
    {
      usage: 'join-upstream <url>',
      summary: 'join another gateway as its site: it runs a cloud node for this fleet, and gets its telemetry',
      options: [['--node <name>', "the name of the upstream's node in this fleet (default: cloud)"]],
      examples: ["join-upstream 'hypha://cloud.example:8443/company/garden?token=…'"],
    },
    async (cli, { node }, url) => {
      const json = { url, ...(node === undefined ? {} : { node }) }
      const { upstream } = await cli.api.request<UpstreamAnswer>('POST', '/v1/upstream', { json })
      cli.print(upstream, () => `This gateway is the site ${upstream!.site} of ${upstream!.fleet}. See: hypha upstream`)
    },
  )
  defineCommand(
    program,
    { usage: 'upstream', summary: 'the upstream that this gateway has joined', examples: ['upstream'] },
    async (cli) => {
      const { upstream } = await cli.api.request<UpstreamAnswer>('GET', '/v1/upstream')
      cli.print(upstream, () => (upstream === null ? 'This gateway has no upstream.' : describeUpstream(upstream)))
    },
  )
  defineCommand(
    program,
    {
      usage: 'leave-upstream',
      summary: 'leave the upstream: what runs there for this fleet ends, and nothing is forwarded any more',
      examples: ['leave-upstream'],
    },
    async (cli) => {
      const answer = await cli.api.request<UpstreamLeft>('DELETE', '/v1/upstream')
      cli.print(answer, () =>
        answer.told
          ? 'This gateway has left its upstream.'
          : 'This gateway has left its upstream, which could not be told: what it runs ends there with hypha site revoke NAME.',
      )
    },
  )
}

export function describeUpstream(upstream: UpstreamView): string {
  const { fleet, site, host, port, node, online, problem, waiting, streams } = upstream
  return listing([
    ['upstream', `${fleet} at ${host}:${port}, where this gateway is ${site}`],
    ['uplink', online ? `there, ${streams} streams` : `cut${problem === null ? '' : `: ${problem}`}`],
    ['node', node],
    ['to forward', `${waiting} rows`],
  ])
}
