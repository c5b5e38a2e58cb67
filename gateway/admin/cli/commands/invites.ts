import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import { parseJoinUrl } from '@hypha/core/wire/join-url.ts'
import type { Command } from 'commander'
import { installLine } from '../../../install/script.ts'
import type { InstallView } from '../../api/schemas/install.ts'
import type { InviteMade, InviteView } from '../../api/schemas/nodes.ts'
import { type Cli, defineCommand, parseDuration } from '../cli.ts'
import { listing, relativeTime, table } from '../table.ts'

interface InviteOptions {
  readonly tier?: string
  readonly label?: string[]
  readonly for: string
  readonly replace?: boolean
  readonly urlOnly?: boolean
}

/** The line that installs on a device. Without it the invitation is still good, so that a gateway that can't make it is only told of. */
async function lineFor(cli: Cli, url: string): Promise<string | null> {
  const slow = setTimeout(
    () => cli.note('The gateway prepares what devices install: some seconds, the first time …'),
    1_000,
  )
  try {
    const { gateway, script } = await cli.api.request<InstallView>('GET', '/v1/install')
    return installLine(gateway, script.digest, url)
  } catch (thrown) {
    cli.note(`There is no line that installs: ${asHyphaError(thrown).message}`)
    return null
  } finally {
    clearTimeout(slow)
  }
}

const boardLines = (node: string, token: string, within: string): string =>
  [
    'Burn it into the firmware of the board:\n',
    `  hypha mcu build --board BOARD --id ${node} --invite ${token}`,
    `\nThe board is a node of the fleet as soon as it is plugged in anywhere, within ${within}. The token is good for one board, and is shown only here.`,
  ].join('\n')

export function registerInvites(program: Command): void {
  defineCommand<[string], InviteOptions>(
    program,
    {
      usage: 'invite <node>',
      summary: 'invite a node: prints the line that installs and joins it, and the URL that it joins with, once',
      options: [
        ['--tier <tier>', "device, edge, cloud, or mcu for a board (default: device, or the replaced node's)"],
        ['--label <label...>', 'labels that it gets'],
        ['--for <duration>', 'how long the invitation is valid', '24h'],
        ['--replace', 'whoever joins takes the place of the device that has the name, with its history'],
        ['--url-only', 'without the line that installs, for a machine that has the agent already'],
      ],
      examples: [
        'invite pi-7 --tier device',
        'invite cloud-1 --tier cloud --for 2h --label eu',
        'invite pi-7 --replace',
      ],
    },
    async (cli, options, node) => {
      const hours = parseDuration(options.for, '--for') / 3_600_000
      const { tier, label: labels, replace } = options
      const json = {
        node,
        hours,
        ...(tier ? { tier } : {}),
        ...(labels ? { labels } : {}),
        ...(replace ? { replace } : {}),
      }
      const made = await cli.api.request<InviteMade>('POST', '/v1/invites', { json })
      if (made.invite.tier === 'mcu') {
        const { token } = parseJoinUrl(made.url)
        cli.print({ token, ...made.invite }, () => boardLines(node, token, options.for))
        return
      }
      const install = options.urlOnly ? null : await lineFor(cli, made.url)
      cli.print({ url: made.url, install, ...made.invite }, () =>
        [
          `On ${node}, within ${options.for}:\n`,
          ...(install === null ? [] : [`  ${install}\n`, 'Where the agent is installed already:\n']),
          `  hypha-agent join '${made.url}' && hypha-agent run`,
          '\nThe URL works once, and is shown only here.',
          ...(replace
            ? [
                `Whatever has the name ${node} now is let in no more as soon as the other has joined.`,
                'On the very machine that had it: hypha-agent join URL --again; its data stays.',
              ]
            : []),
        ].join('\n'),
      )
    },
  )
  defineCommand(program, { usage: 'invites', summary: 'list the invitations', examples: ['invites'] }, async (cli) => {
    const invites = await cli.api.request<InviteView[]>('GET', '/v1/invites')
    cli.print(invites, () =>
      invites.length === 0
        ? 'No invitations.'
        : table<InviteView>(
            [
              { heading: 'ID', text: (invite) => invite.id },
              { heading: 'NODE', text: (invite) => invite.node, whole: true },
              { heading: 'TIER', text: (invite) => invite.tier },
              { heading: 'EXPIRES', text: (invite) => relativeTime(invite.expiresAt) },
              { heading: 'USED', text: (invite) => relativeTime(invite.usedAt) },
            ],
            invites,
          ),
    )
  })
  const one = program
    .command('invitation')
    .summary('show and revoke an invitation')
    .description('One invitation: show, revoke.')
  defineCommand<[string], object>(
    one,
    {
      usage: 'show <id>',
      summary: 'an invitation and whether it was used',
      isDefault: true,
      examples: ['invitation 3f2a90b1c4d5'],
    },
    async (cli, _options, id) => {
      const invite = (await cli.api.request<InviteView[]>('GET', '/v1/invites')).find((each) => each.id === id)
      if (invite === undefined) {
        throw new HyphaError('not-found', `There is no invitation ${id}`, { mend: 'List them: hypha invites.' })
      }
      cli.print(invite, () =>
        listing([
          ['id', invite.id],
          ['node', `${invite.node}, ${invite.tier}`],
          ['labels', invite.labels.join(' ') || 'none'],
          ['made', relativeTime(invite.createdAt)],
          ['expires', relativeTime(invite.expiresAt)],
          ['used', relativeTime(invite.usedAt)],
        ]),
      )
    },
  )
  defineCommand<[string], object>(
    one,
    { usage: 'rm <id>', summary: 'revoke an invitation that was not used', examples: ['invitation rm 3f2a90b1c4d5'] },
    async (cli, _options, id) => {
      await cli.api.request('DELETE', `/v1/invites/${encodeURIComponent(id)}`)
      cli.print({ revoked: id }, () => `Invitation ${id} is revoked.`)
    },
  )
}
