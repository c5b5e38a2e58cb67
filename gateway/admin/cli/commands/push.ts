import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import type { Plan } from '../../../plan.ts'
import type { RolloutView } from '../../api/schemas/apps.ts'
import type { WhatIfAnswer } from '../../api/schemas/plan.ts'
import { type Cli, defineCommand, parseDuration } from '../cli.ts'
import type { PushOptions } from '../push.ts'
import type { SignOptions } from '../sign.ts'

export function registerPush(program: Command): void {
  defineCommand<[string | undefined] & string[], { app?: string; measured?: boolean }>(
    program,
    {
      usage: 'plan [folder]',
      summary: 'where an app would run, and why; changes nothing',
      description:
        'Build the app in a folder (default: this one) and show where each module would run on the fleet as it is now, with the reasons for every choice and every refusal. Nothing is changed.',
      options: [
        ['--app <app>', 'show the plan that an app runs by now, without building'],
        ['--measured', 'with --app: what would be elsewhere by the traffic that nodes have counted on its links'],
      ],
      examples: [
        'plan',
        'plan examples/greenhouse',
        'plan --app greenhouse --json',
        'plan --app greenhouse --measured',
      ],
    },
    async (cli, { app, measured }, folder) => {
      if (measured === true) return planMeasured(cli, app)
      const { fetchTiers, planFolder } = await import('../push.ts')
      const [{ planTree, refusalTree }, { prepareText, unpreparedOf }] = await Promise.all([
        import('../plan-tree.ts'),
        import('../prepare-text.ts'),
      ])
      const tiers = fetchTiers(cli)
      const of = `/v1/apps/${encodeURIComponent(app ?? '')}`
      const [plan, tierOf, rollout] = await Promise.all([
        app === undefined ? planFolder(cli, folder ?? '.') : cli.api.request<Plan>('GET', `${of}/plan`),
        tiers,
        app === undefined ? null : cli.api.request<RolloutView>('GET', `${of}/rollout`),
      ])
      const unprepared = rollout === null ? '' : prepareText(rollout)
      const standing = rollout && { rollout: rollout.phases, unprepared: unpreparedOf(rollout) }
      cli.print({ ...plan, ...standing }, () =>
        [planTree(plan, tierOf), refusalTree(plan), unprepared].filter((part) => part !== '').join('\n\n'),
      )
    },
  )
  defineCommand<[string | undefined] & string[], PushOptions>(
    program,
    {
      usage: 'push [folder]',
      summary: 'build and sign an app, and bring it to the fleet',
      description:
        'Build what changed in the app in a folder (default: this one), sign it as the next release, push it, and follow it until every node that is there runs it. Where the release role asks for more signatures than one, it waits until others have signed it (hypha sign).',
      options: [
        ['--key <file>', "the release key (default: keys/release.key in the fleet's folder)"],
        ['--floor <number>', 'no release with a lower number may run ever again'],
        ['--snap', 'all nodes at once, in one wave'],
        ['--approve', 'begin only when somebody has said: hypha rollout approve'],
        ['--now', 'pass over its windows'],
        ['--no-wait', 'end once the gateway has accepted it'],
        ['--timeout <duration>', 'how long to wait for the nodes', '60s'],
      ],
      examples: ['push', 'push --snap', 'push examples/greenhouse --timeout 2min', 'push --no-wait --json'],
    },
    async (cli, options, folder) => {
      parseDuration(options.timeout, '--timeout')
      const { pushFolder } = await import('../push.ts')
      await pushFolder(cli, folder ?? '.', options)
    },
  )
  defineCommand<[string], SignOptions>(
    program,
    {
      usage: 'sign <release>',
      summary: 'add your signature to a release that waits for it',
      description:
        'Show what a release is made of, after checking it against its own bytes and the signatures that it has, and add your signature. Once enough keys have signed, it runs. A release that runs already, and that root metadata has left with too few signatures, gets them the same way and is not restarted.',
      options: [
        ['--key <file>', "the release key (default: keys/release.key in the fleet's folder)"],
        ['--yes', 'sign without asking'],
        ['--no-wait', 'end once the gateway has the signature'],
        ['--timeout <duration>', 'how long to wait for the nodes', '60s'],
      ],
      examples: ['sign greenhouse@7', 'sign greenhouse@7 --key release-2.key', 'sign greenhouse@7 --yes --json'],
    },
    async (cli, options, given) => {
      parseDuration(options.timeout, '--timeout')
      const { signGiven } = await import('../sign.ts')
      await signGiven(cli, given, options)
    },
  )
}

/** Where measured traffic would have an app's modules; changes nothing. */
async function planMeasured(cli: Cli, app: string | undefined): Promise<void> {
  if (app === undefined) {
    throw new HyphaError('argument-invalid', '--measured is about an app that runs', { mend: 'Name it with --app.' })
  }
  const path = `/v1/apps/${encodeURIComponent(app)}/what-if`
  const answer = await cli.api.request<WhatIfAnswer>('POST', path, { json: { measured: true } })
  const { describeMeasured } = await import('../plan-changes.ts')
  cli.print(answer, () => describeMeasured(answer))
}
