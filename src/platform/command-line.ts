import { argv, exit, stderr } from 'node:process'
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { asHyphaError, exitCodes, HyphaError } from '../errors.ts'
import { nearest } from '../nearest.ts'

/** The arguments that this program was started with. Throws `argument-invalid` for an option that isn't one of these. */
export function parseCommandLine<const O extends ParseArgsOptionsConfig>(program: string, options: O) {
  try {
    return parseArgs({ args: argv.slice(2), options, allowPositionals: true })
  } catch (cause) {
    // Node goes on about words that begin with a hyphen, which no program here takes.
    const message = (cause as Error).message.split('. To specify a positional argument')[0]!
    const unknown = /^Unknown option '--([^']+)'/.exec(message)?.[1]
    const meant = unknown === undefined ? null : nearest(unknown, Object.keys(options))
    throw new HyphaError('argument-invalid', `${message}${meant === null ? '' : ` (Did you mean --${meant}?)`}`, {
      cause,
      mend: `See ${program} --help.`,
    })
  }
}

/** Ends this program with what went wrong: on standard error for people, or as JSON where `--json` was asked for. */
export function endWithError(program: string, thrown: unknown): never {
  const error = asHyphaError(thrown)
  const where = error.where === undefined || error.message.includes(error.where) ? '' : ` (${error.where})`
  const stack = error.code === 'internal' ? `${error.stack}\n` : ''
  stderr.write(
    argv.includes('--json')
      ? `${JSON.stringify({ error })}\n`
      : `${program}: ${error.message}${where} [${error.code}]\n${error.mend}\n${stack}`,
  )
  exit(exitCodes[error.act])
}
