import { Command } from 'commander'
import { runCli } from './cli.ts'

type Register = (program: Command) => void

/** The commands by theme, in the order in which the help names them. */
const themes: readonly (readonly [heading: string, load: readonly (() => Promise<Register>)[]])[] = [
  [
    'Fleet:',
    [
      async () => (await import('./commands/init.ts')).registerInit,
      async () => (await import('./commands/gateway.ts')).registerGateway,
      async () => (await import('./commands/invites.ts')).registerInvites,
      async () => (await import('./commands/nodes.ts')).registerNodes,
    ],
  ],
  [
    'Apps:',
    [
      async () => (await import('./commands/author.ts')).registerAuthor,
      async () => (await import('./commands/push.ts')).registerPush,
      async () => (await import('./commands/apps.ts')).registerApps,
      async () => (await import('./commands/rollout.ts')).registerRollout,
      async () => (await import('./commands/config.ts')).registerConfig,
    ],
  ],
  [
    'Data:',
    [
      async () => (await import('./commands/values.ts')).registerValues,
      async () => (await import('./commands/records.ts')).registerRecords,
    ],
  ],
  [
    'Access:',
    [
      async () => (await import('./commands/tokens.ts')).registerTokens,
      async () => (await import('./commands/clients.ts')).registerClients,
      async () => (await import('./commands/keys.ts')).registerKeys,
    ],
  ],
]

/** The whole command line. */
export async function createProgram(): Promise<Command> {
  const program = new Command('hypha')
    .description('Push an app of WebAssembly modules, and it runs where its imports are.')
    .option('--home <folder>', "the fleet's folder (default: $HYPHA_HOME, else ~/.hypha)")
    .option('--credentials <file>', 'speak to a gateway on another machine (default: $HYPHA_CREDENTIALS)')
    .option('--json', 'write results and errors as JSON')
    .addHelpText('after', '\nExample:\n  $ hypha init my-fleet && hypha gateway\n\nhypha COMMAND --help tells more.')
    .exitOverride()
    // Complaints are written by `runCli`, in the form that all errors have.
    .configureOutput({ outputError: () => undefined })
  for (const [heading, loaders] of themes) {
    program.commandsGroup(heading)
    for (const register of await Promise.all(loaders.map((load) => load()))) register(program)
  }
  return program.commandsGroup('Help:').helpCommand('help [command]', 'the help of a command')
}

/** Runs `hypha` with its arguments and answers its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  // Whoever reads our output may stop reading, as `head` does: that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  return runCli(await createProgram(), argv)
}
