import type { Command } from 'commander'
import type { AgentReleaseOptions } from '../agent-release.ts'
import { defineCommand, parseDuration } from '../cli.ts'

export function registerAgent(program: Command): void {
  const agent = program
    .command('agent')
    .summary("releases of the agent's own program")
    .description(
      "Releases of the agent's own program: the built-in app hypha-agent, which every installed node takes by itself. See also hypha rollout, releases and rollback hypha-agent.",
    )
  defineCommand<[], AgentReleaseOptions>(
    agent,
    {
      usage: 'release',
      summary: 'bundle and sign the agent, and bring it to every installed node',
      description:
        'Bundle the agent of this installation, sign it as the next release of hypha-agent, push it, and follow it until every node that is there runs it. A node tries it for half a minute and goes back to the one before by itself where it does not do. Nodes that run from a checkout are left alone.',
      options: [
        ['--key <file>', "the release key (default: keys/release.key in the fleet's folder)"],
        ['--label <version>', 'what the agent is to call itself (default: the version of this installation)'],
        ['--bundle <folder>', 'release this folder, with its main.js, and bundle nothing'],
        ['--floor <number>', 'no release with a lower number may run ever again'],
        ['--no-wait', 'end once the gateway has accepted it'],
        ['--timeout <duration>', 'how long to wait for the nodes', '5min'],
      ],
      examples: ['agent release', 'agent release --no-wait', 'agent release --label 0.1.1-fix --timeout 10min'],
    },
    async (cli, options) => {
      parseDuration(options.timeout, '--timeout')
      const { releaseAgent } = await import('../agent-release.ts')
      await releaseAgent(cli, options)
    },
  )
}
