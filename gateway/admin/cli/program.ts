import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addGroupExamples, runCli } from './cli.ts'

type Register = (program: Command) => void

interface Part {
  readonly commands: readonly string[]
  readonly load: () => Promise<Register>
}

const part = (commands: string, load: () => Promise<Register>): Part => ({ commands: commands.split(' '), load })

/** The commands by theme, in the order in which the help names them. */
const themes: Readonly<Record<string, readonly Part[]>> = {
  'Fleet:': [
    part('init', async () => (await import('./commands/init.ts')).registerInit),
    part('gateway status openapi', async () => (await import('./commands/gateway.ts')).registerGateway),
    part('invite invites invitation', async () => (await import('./commands/invites.ts')).registerInvites),
    part('runtimes runtime', async () => (await import('./commands/runtimes.ts')).registerRuntimes),
    part('nodes node accept', async () => (await import('./commands/nodes.ts')).registerNodes),
    part('mcu', async () => (await import('./commands/mcu.ts')).registerMcu),
    part(
      'join-upstream upstream leave-upstream',
      async () => (await import('./commands/upstream.ts')).registerUpstream,
    ),
    part('sites site', async () => (await import('./commands/sites.ts')).registerSites),
    part('agent', async () => (await import('./commands/agent.ts')).registerAgent),
  ],
  'Apps:': [
    part('new build bindgen', async () => (await import('./commands/author.ts')).registerAuthor),
    part('plan push sign', async () => (await import('./commands/push.ts')).registerPush),
    part('apps app releases release', async () => (await import('./commands/apps.ts')).registerApps),
    part('rollout rollback', async () => (await import('./commands/rollout.ts')).registerRollout),
    part('why why-not what-if', async () => (await import('./commands/questions.ts')).registerQuestions),
    part('come-home', async () => (await import('./commands/come-home.ts')).registerComeHome),
    part('receipt', async () => (await import('./commands/receipt.ts')).registerReceipt),
    part('delta', async () => (await import('./commands/delta.ts')).registerDelta),
    part('config', async () => (await import('./commands/config.ts')).registerConfig),
  ],
  'Data:': [
    part('links', async () => (await import('./commands/links.ts')).registerLinks),
    part('values', async () => (await import('./commands/values.ts')).registerValues),
    part('logs events', async () => (await import('./commands/records.ts')).registerRecords),
    part('audit', async () => (await import('./commands/audit.ts')).registerAudit),
  ],
  'Access:': [
    part('token', async () => (await import('./commands/tokens.ts')).registerTokens),
    part('client', async () => (await import('./commands/clients.ts')).registerClients),
    part('key', async () => (await import('./commands/keys.ts')).registerKeys),
    part('ca', async () => (await import('./commands/ca.ts')).registerAuthority),
    part('root', async () => (await import('./commands/root.ts')).registerRoot),
  ],
}

/** The command line, whole or with only the file that has the command `only`: that saves 20 ms at each start. */
export async function createProgram(only?: string): Promise<Command> {
  const program = new Command('hypha')
    .description('Push an app of WebAssembly modules, and it runs where its imports are.')
    .version(readVersion(), '--version', 'print the version')
    .option('--home <folder>', "the fleet's folder (default: $HYPHA_HOME, else ~/.hypha)")
    .option('--credentials <file>', 'speak to a gateway on another machine (default: $HYPHA_CREDENTIALS)')
    .option('--json', 'write results and errors as JSON')
    .addHelpText('after', '\nExample:\n  $ hypha init my-fleet && hypha gateway\n\nhypha COMMAND --help tells more.')
    .exitOverride()
    // Complaints are written by `runCli`, in the form that all errors have.
    .configureOutput({ outputError: () => undefined })
  const known = Object.values(themes).flat()
  const wanted = known.filter(({ commands }) => only !== undefined && commands.includes(only))
  for (const [heading, parts] of Object.entries(themes)) {
    program.commandsGroup(heading)
    const chosen = wanted.length === 0 ? parts : parts.filter((each) => wanted.includes(each))
    for (const register of await Promise.all(chosen.map(({ load }) => load()))) register(program)
  }
  for (const each of program.commands) if (each.commands.length > 0) addGroupExamples(each)
  return program.commandsGroup('Help:').helpCommand('help [command]', 'the help of a command')
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** Runs `hypha` with its arguments and answers its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  // Whoever reads our output may stop reading, as `head` does: that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  const words = askedPlainly(argv)
  return runCli(await createProgram(words[firstOperand(words)]), words)
}

/** `help push` as `push --help`. Where the command doesn't exist its help isn't asked for either, so that this is what is complained of. */
function askedPlainly(argv: readonly string[]): string[] {
  const at = firstOperand(argv)
  const asksByWord = argv[at] === 'help' && argv[at + 1] !== undefined
  const words = asksByWord ? [...argv.slice(0, at), ...argv.slice(at + 1), '--help'] : [...argv]
  const command = words[firstOperand(words)]
  const exists =
    command === undefined ||
    command === 'help' ||
    Object.values(themes).some((parts) => parts.some(({ commands }) => commands.includes(command)))
  return exists ? words : words.filter((word) => word !== '--help' && word !== '-h')
}

const firstOperand = (argv: readonly string[]): number =>
  argv.findIndex((word, at) => !word.startsWith('-') && !/^--(home|credentials)$/.test(argv[at - 1] ?? ''))
