import type { Command } from 'commander'
import type { RolloutAct, RolloutShown } from '../../../distribute/rollout-view.ts'
import { defineCommand } from '../cli.ts'
import { describePhases } from '../rollout-text.ts'
import { inLocalTime, relativeTime, table, timestamp } from '../table.ts'

const acts: readonly (readonly [act: RolloutAct, summary: string, description: string])[] = [
  ['approve', 'let a rollout begin that waits for somebody to say yes', 'It begins with its first wave.'],
  [
    'pause',
    'hold a rollout where it is',
    'What has prepared stays so; what was committed flips. It ends by itself if nobody resumes it for a week.',
  ],
  ['resume', 'go on with a paused rollout', 'Whoever was to prepare gets the whole of that time again.'],
  [
    'abort',
    'end a rollout',
    'What was prepared is dropped. Nodes that have flipped go back to the release before, unless the release says rollback = false.',
  ],
]

/** What an operator says to a rollout, and its history. */
export function registerRolloutActs(rollout: Command): void {
  for (const [act, summary, more] of acts) {
    defineCommand<[string], object>(
      rollout,
      {
        usage: `${act} <app>`,
        summary,
        description: `${summary.charAt(0).toUpperCase()}${summary.slice(1)}. ${more}`,
        examples: [`rollout ${act} greenhouse`],
      },
      async (cli, _options, app) => {
        const path = `/v1/apps/${encodeURIComponent(app)}/rollouts/act`
        const shown = await cli.api.request<RolloutShown>('POST', path, { json: { act } })
        cli.print(shown, () => describePhases(shown))
      },
    )
  }
  defineCommand<[string], object>(
    rollout,
    {
      usage: 'list <app>',
      summary: 'the rollouts of an app, and how they ended',
      examples: ['rollout list greenhouse'],
    },
    async (cli, _options, app) => {
      const shown = await cli.api.request<RolloutShown[]>('GET', `/v1/apps/${encodeURIComponent(app)}/rollouts`)
      cli.print(shown, () => describeList(shown))
    },
  )
}

const describeList = (rollouts: readonly RolloutShown[]): string =>
  rollouts.length === 0
    ? 'Nothing was brought to the fleet in two phases yet.'
    : table<RolloutShown>(
        [
          { heading: 'NO', text: ({ id }) => `${id}`, right: true },
          { heading: 'RELEASE', text: ({ from, release }) => `${from ?? '-'} → ${release}` },
          { heading: 'BY', text: ({ kind }) => kind },
          { heading: 'STATE', text: ({ state }) => state },
          { heading: 'BEGAN', text: ({ startedAt }) => timestamp(startedAt), whole: true },
          { heading: 'ENDED', text: ({ endedAt }) => (endedAt === null ? '' : relativeTime(endedAt)) },
          { heading: 'WHY', text: ({ why, waitsFor }) => inLocalTime(why ?? waitsFor ?? '') },
        ],
        rollouts,
      )
