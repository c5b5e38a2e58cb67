import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import type { SiteInviteMade, SiteView } from '../../api/schemas/sites.ts'
import { defineCommand, parseDuration } from '../cli.ts'
import { formatBytes, listing, relativeTime, table } from '../table.ts'

export function registerSites(program: Command): void {
  defineCommand(
    program,
    { usage: 'sites', summary: 'list the gateways that have joined this one', examples: ['sites'] },
    async (cli) => {
      const sites = await cli.api.request<SiteView[]>('GET', '/v1/sites')
      cli.print(sites, () =>
        sites.length === 0
          ? 'No sites. Invite one: hypha site invite NAME'
          : table<SiteView>(
              [
                { heading: 'SITE', text: ({ name }) => name },
                { heading: 'STATE', text: standing },
                { heading: 'AGENT', text: ({ agent }) => (agent ? 'runs' : '-') },
                { heading: 'MEMORY', text: ({ memoryBytes }) => formatBytes(memoryBytes) },
                { heading: 'ROWS', text: ({ rows }) => `${rows}`, right: true },
                { heading: 'FORWARDED', text: ({ forwardedAt }) => relativeTime(forwardedAt) },
              ],
              sites,
            ),
      )
    },
  )
  registerSite(program)
}

const standing = ({ joinedAt, revokedAt, leftAt, online }: SiteView): string => {
  if (revokedAt !== null) return 'revoked'
  if (leftAt !== null) return 'has left'
  if (joinedAt === null) return 'invited'
  return online ? 'connected' : 'cut off'
}

/** "256MiB" in bytes. */
function parseMemory(text: string): number {
  const [, count, unit] = /^(\d{1,7})(MiB|GiB)$/.exec(text) ?? []
  if (count !== undefined && Number(count) > 0) return Number(count) * (unit === 'MiB' ? 2 ** 20 : 2 ** 30)
  throw new HyphaError('argument-invalid', `--memory should be a size such as 256MiB or 2GiB, is "${text}"`)
}

function registerSite(program: Command): void {
  const site = program
    .command('site')
    .summary('invite, show, revoke and remove a site')
    .description('Gateways that have this one as their upstream: invite, show, revoke, rm.')
  defineCommand<[string], { memory?: string; for: string; replace?: boolean }>(
    site,
    {
      usage: 'invite <name>',
      summary: 'invite a gateway as a site: prints the URL that it joins with, once',
      options: [
        ['--memory <size>', 'what the agent that runs here for it may give to modules (default: 256MiB)'],
        ['--for <duration>', 'how long the invitation is valid', '24h'],
        ['--replace', 'for a site that is known: whoever joins goes on with its history'],
      ],
      examples: ['site invite garden', 'site invite garden --memory 1GiB --for 2h'],
    },
    async (cli, { memory, for: valid, replace }, name) => {
      const hours = parseDuration(valid, '--for') / 3_600_000
      const json = {
        site: name,
        hours,
        ...(memory === undefined ? {} : { memoryBytes: parseMemory(memory) }),
        ...(replace ? { replace } : {}),
      }
      const made = await cli.api.request<SiteInviteMade>('POST', '/v1/sites', { json })
      cli.print(made, () =>
        [
          `On the machine of ${name}'s gateway, within ${valid}:\n`,
          `  hypha join-upstream '${made.url}'`,
          '\nThe URL works once, and is shown only here.',
        ].join('\n'),
      )
    },
  )
  defineCommand<[string], object>(
    site,
    { usage: 'show <name>', summary: 'all that is known of a site', isDefault: true, examples: ['site garden'] },
    async (cli, _options, name) => {
      const shown = await cli.api.request<SiteView>('GET', `/v1/sites/${encodeURIComponent(name)}`)
      cli.print(shown, () => describeSite(shown))
    },
  )
  defineCommand<[string], object>(
    site,
    {
      usage: 'revoke <name>',
      summary: 'let a site in no more: its uplink and its agent end at once, what it has forwarded stays',
      examples: ['site revoke garden'],
    },
    async (cli, _options, name) => {
      const shown = await cli.api.request<SiteView>('POST', `/v1/sites/${encodeURIComponent(name)}/revoke`)
      cli.print(shown, () => `${name} is revoked: it is let in no more, and nothing runs for it here.`)
    },
  )
  defineCommand<[string], object>(
    site,
    { usage: 'rm <name>', summary: 'forget a site, with all that it has forwarded', examples: ['site rm garden'] },
    async (cli, _options, name) => {
      await cli.api.request('DELETE', `/v1/sites/${encodeURIComponent(name)}`)
      cli.print({ removed: name }, () => `${name} is removed, with all that it has forwarded.`)
    },
  )
}

function describeSite(site: SiteView): string {
  const { name, memoryBytes, agent, streams, rows, forwardedAt, joinedAt, certificateExpiresAt } = site
  return listing([
    ['site', `${name}, ${standing(site)}`],
    ['joined', relativeTime(joinedAt)],
    ['certificate', certificateExpiresAt === null ? 'none' : `expires ${relativeTime(certificateExpiresAt)}`],
    ['agent', `${agent ? 'runs' : 'does not run'}, up to ${formatBytes(memoryBytes)} for modules`],
    ['streams', `${streams}`],
    ['forwarded', `up to row ${rows}, ${relativeTime(forwardedAt)}`],
  ])
}
