import { readFileSync } from 'node:fs'
import { asHyphaError, exitCodes, HyphaError as Failure, type HyphaError } from '@hypha/core/errors.ts'
import { type Command, CommanderError } from 'commander'
import { type HyphaHome, hyphaHome } from '../../home.ts'
import { ApiClient, type ApiTarget } from './client.ts'
import { inOwnWords, misspelt } from './mistakes.ts'
import { printableLines } from './table.ts'

/** Options that every command takes. */
interface GlobalOptions {
  readonly home?: string
  readonly credentials?: string
  readonly json?: boolean
}

/** What a command works with. */
export interface Cli {
  readonly home: HyphaHome
  readonly json: boolean
  /** Whether the gateway is on another machine. */
  readonly remote: boolean
  readonly api: ApiClient
  /** A result: as one JSON line, or as text for people. */
  print(result: unknown, text: () => string): void
  /** A line for people about what goes on, on standard error; none with --json. */
  note(line: string): void
}

export type Action<Args extends unknown[], Options> = (
  cli: Cli,
  options: Options,
  ...args: Args
) => Promise<void> | void

/** A command whose action gets the `Cli` first, then its options, then its arguments. */
export function defineCommand<Args extends string[], Options extends object>(
  parent: Command,
  spec: {
    /** As commander has it: `rm <node>`. */
    readonly usage: string
    readonly summary: string
    readonly description?: string
    readonly options?: readonly (
      | readonly [flags: string, description: string, fallback?: string | boolean]
      /** Given once or more often, a value each time: a list. */
      | readonly [flags: string, description: string, fallback: undefined, repeatable: 'repeatable']
    )[]
    /** What its parent does when it is followed by none of its commands: `hypha node pi-7` is `hypha node show pi-7`. */
    readonly isDefault?: boolean
    /** Without the leading `hypha`. */
    readonly examples: readonly string[]
  },
  action: Action<Args, Options>,
): Command {
  const command = parent
    .command(spec.usage, { isDefault: spec.isDefault ?? false })
    .summary(spec.summary)
    .description(spec.description ?? `${spec.summary.charAt(0).toUpperCase()}${spec.summary.slice(1)}.`)
  for (const [flags, description, fallback, repeatable] of spec.options ?? []) {
    if (repeatable === undefined) command.option(flags, description, fallback)
    else command.option(flags, description, (value: string, others: string[] = []) => [...others, value])
  }
  firstExamples.set(command, spec.examples[0]!)
  command.addHelpText('after', `${exampleLines(spec.examples)}\n\n${globalOptions}`)
  command.action(async (...parts: unknown[]) => {
    const self = parts.pop() as Command
    parts.pop()
    const options = self.optsWithGlobals<GlobalOptions & Options>()
    await action(openCli(options), options, ...(parts as Args))
  })
  return command
}

const firstExamples = new WeakMap<Command, string>()

/** Ends the help of a group, such as `hypha node`, with an example of each of its commands. */
export function addGroupExamples(group: Command): void {
  const examples = group.commands.flatMap((each) => firstExamples.get(each) ?? [])
  group.addHelpText('after', `${exampleLines(examples)}\n\n${globalOptions}`)
}

const exampleLines = (examples: readonly string[]): string =>
  `\nExample${examples.length > 1 ? 's' : ''}:\n${examples.map((line) => `  $ hypha ${line}`).join('\n')}`

const globalOptions = 'Every command takes --json, --home and --credentials: see hypha --help.'

function openCli(options: GlobalOptions): Cli {
  const home = hyphaHome(options.home)
  const json = options.json ?? false
  const credentials = options.credentials ?? process.env.HYPHA_CREDENTIALS
  let client: ApiClient | null = null
  return {
    home,
    json,
    remote: credentials !== undefined,
    get api() {
      client ??= new ApiClient(apiTarget(home, credentials))
      return client
    },
    print: (result, text) => void process.stdout.write(`${json ? JSON.stringify(result) : printableLines(text())}\n`),
    note: (line) => {
      if (!json) process.stderr.write(`${printableLines(line)}\n`)
    },
  }
}

function apiTarget(home: HyphaHome, credentials: string | undefined): ApiTarget {
  if (credentials === undefined) return { kind: 'socket', path: home.socket }
  try {
    const { host, port, token, ca } = JSON.parse(readFileSync(credentials, 'utf8')) as Record<string, unknown>
    if (typeof host === 'string' && typeof port === 'number' && typeof token === 'string' && typeof ca === 'string') {
      return { kind: 'tls', host, port, token, ca }
    }
  } catch (cause) {
    throw new Failure(
      'argument-invalid',
      `The credentials in ${credentials} can't be read: ${(cause as Error).message}`,
      { cause },
    )
  }
  throw new Failure('argument-invalid', `${credentials} holds no credentials`, {
    where: credentials,
    mend: 'Make such a file with hypha token create NAME --save FILE on the gateway.',
  })
}

/** Runs the command line and answers its exit code; a failure is written to standard error. */
export async function runCli(program: Command, argv: readonly string[]): Promise<number> {
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return 0
  } catch (thrown) {
    // Help, too, ends as an error of commander's: with code 0, or because there was nothing to do.
    if (thrown instanceof CommanderError && /^commander\.(help|helpDisplayed|version)$/.test(thrown.code)) {
      return thrown.exitCode === 0 ? 0 : exitCodes.caller
    }
    const error =
      thrown instanceof CommanderError
        ? misspelt(program, argv, thrown)
        : inOwnWords(program, argv, asHyphaError(thrown))
    process.stderr.write(argv.includes('--json') ? `${JSON.stringify({ error })}\n` : describeError(error))
    return exitCodes[error.act]
  }
}

function describeError(error: HyphaError): string {
  const where = error.where === undefined || error.message.includes(error.where) ? '' : ` (${error.where})`
  const trace = error.code === 'internal' ? `${error.cause instanceof Error ? error.cause.stack : error.stack}\n` : ''
  return printableLines(`hypha: ${error.message}${where} [${error.code}]\n${error.mend}\n${trace}`)
}

/** A whole number between two bounds, from the command line. */
export function wholeNumber(text: string, what: string, min: number, max: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new Failure('argument-invalid', `${what} should be a whole number from ${min} to ${max}, is "${text}"`)
  }
  return value
}

/** "30s", "5min", "2h", "7d" in milliseconds. */
export function parseDuration(text: string, what: string): number {
  const [, count, unit] = /^(\d{1,9})(ms|s|min|h|d)$/.exec(text) ?? []
  const sizes: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 }
  if (count === undefined || unit === undefined) {
    throw new Failure('argument-invalid', `${what} should be a duration such as 30s, 5min, 2h or 7d, is "${text}"`)
  }
  return Number(count) * sizes[unit]!
}
