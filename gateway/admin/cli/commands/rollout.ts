import type { Command } from 'commander'
import type { RolloutShown } from '../../../distribute/rollout-view.ts'
import type { PushAnswer, RolloutView } from '../../api/schemas/apps.ts'
import { defineCommand, parseDuration, wholeNumber } from '../cli.ts'
import { describePhases } from '../rollout-text.ts'
import { formatBytes, inLocalTime, table } from '../table.ts'
import { awaitRollout } from '../wait.ts'
import { registerRolloutActs } from './rollout-acts.ts'

interface WaitOptions {
  wait?: boolean
  timeout: string
}

export function registerRollout(program: Command): void {
  const rollout = program
    .command('rollout')
    .summary('show, approve, pause, resume and abort how a release comes to the fleet')
    .description('How a release comes to the fleet: show, list, approve, pause, resume, abort.')
  registerRolloutActs(rollout)
  defineCommand<[string], WaitOptions>(
    rollout,
    {
      usage: 'show <app>',
      isDefault: true,
      summary: 'how far each node is with the release that is to run, and what it waits for',
      options: [
        ['--wait', 'follow it until every node that is there has settled'],
        ['--timeout <duration>', 'how long to wait', '60s'],
      ],
      examples: ['rollout greenhouse', 'rollout show greenhouse', 'rollout greenhouse --wait --timeout 5min'],
    },
    async (cli, options, app) => {
      const timeoutMs = parseDuration(options.timeout, '--timeout')
      const path = `/v1/apps/${encodeURIComponent(app)}/rollout`
      const before = await cli.api.request<RolloutView>('GET', path)
      if (options.wait) await awaitRollout(cli, { app, number: before.release, timeoutMs })
      const [view, rollouts] = await Promise.all([
        options.wait ? cli.api.request<RolloutView>('GET', path) : before,
        cli.api.request<RolloutShown[]>('GET', `${path}s`),
      ])
      const newest = rollouts[0] ?? null
      cli.print({ ...view, rollout: newest }, () =>
        [describeRollout(view), ...(newest === null ? [] : [describePhases(newest)])].join('\n\n'),
      )
    },
  )
  defineCommand<[string, string | undefined] & string[], WaitOptions>(
    program,
    {
      usage: 'rollback <app> [number]',
      summary: 'run an earlier release again',
      description: 'Run the release of a number again, by default the one that ran before the present one.',
      options: [
        ['--no-wait', 'end once the gateway has accepted it'],
        ['--timeout <duration>', 'how long to wait for the nodes', '60s'],
      ],
      examples: ['rollback greenhouse', 'rollback greenhouse 3'],
    },
    async (cli, options, app, number) => {
      const timeoutMs = parseDuration(options.timeout, '--timeout')
      const json = number === undefined ? {} : { number: wholeNumber(number, 'The number', 1, 0xffff_ffff) }
      const path = `/v1/apps/${encodeURIComponent(app)}/rollback`
      const answer = await cli.api.request<PushAnswer>('POST', path, { json })
      const outcome = options.wait ? await awaitRollout(cli, { ...answer, timeoutMs }) : null
      cli.print({ ...answer, outcome }, () =>
        outcome === null
          ? `${app} goes back to release ${answer.number}.`
          : inLocalTime(
              `${app} ${answer.number} ${outcome.waitsFor ?? `runs on ${outcome.confirmed.join(', ') || 'no node yet'}`}.`,
            ),
      )
    },
  )
}

function describeRollout({ app, release, done, nodes }: RolloutView): string {
  const rows = table<RolloutView['nodes'][number]>(
    [
      { heading: 'NODE', text: ({ node }) => node, whole: true },
      { heading: 'STATE', text: ({ online }) => (online ? 'online' : 'offline') },
      { heading: 'RELEASE', text: ({ status }) => status },
      {
        heading: 'HELD',
        text: ({ bytes, ofBytes }) => `${formatBytes(bytes)} of ${formatBytes(ofBytes)}`,
        right: true,
      },
      { heading: 'EPOCH', text: ({ epoch }) => `${epoch}`, right: true },
      { heading: 'WAITS FOR', text: ({ message, waitsFor }) => inLocalTime(waitsFor ?? message ?? '') },
    ],
    nodes,
  )
  return `${app} ${release}: ${done ? 'on all nodes' : 'on its way'}\n\n${rows}`
}

/** The one app whose release has a module of this name. */
