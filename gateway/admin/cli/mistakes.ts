import { errorTable, HyphaError } from '@hypha/core/errors.ts'
import { nearest } from '@hypha/core/nearest.ts'
import type { Command, CommanderError } from 'commander'

/** "Unknown command 'pusj' (Did you mean push?)", with the help that tells more. */
export function misspelt(program: Command, argv: readonly string[], { code, message }: CommanderError): HyphaError {
  const named = commandOf(program, argv)
  const known = named.commands.map((each) => each.name())
  // A group with a default takes a misspelt command for the default's argument: `rollout paus greenhouse`.
  const word = code === 'commander.excessArguments' ? operandAfter(argv, named.name()) : undefined
  const meant = word === undefined ? null : nearest(word, known)
  const text =
    meant === null
      ? message.replace(/^error: /, '').replace(/\s*\n/g, ' ')
      : `unknown command '${word}' (Did you mean ${meant}?)`
  return new HyphaError('argument-invalid', text.charAt(0).toUpperCase() + text.slice(1), {
    mend: seeHelpOf(program, named),
  })
}

/** A refusal in the words of the command line: a field of the request by its option's name, and the help of the command that was called. */
export function inOwnWords(program: Command, argv: readonly string[], error: HyphaError): HyphaError {
  const { code, cause } = error
  if (!/^(argument|request)-invalid$/.test(code) || error.mend !== errorTable[code].mend) return error
  const named = commandOf(program, argv)
  const called = named.commands.find((each) => each.name() === 'show') ?? named
  const message = error.message.replace(/^(?:body|querystring|params)[./](\w+)/, (_, field: string) => {
    const option = called.options.find((each) => each.attributeName() === field)
    return option?.long ?? field
  })
  const where = code === 'request-invalid' ? undefined : error.where
  return new HyphaError(code, message, { ...(where ? { where } : {}), cause, mend: seeHelpOf(program, named) })
}

/** The innermost command that the words name. */
function commandOf(program: Command, argv: readonly string[]): Command {
  let named = program
  for (const word of argv) named = named.commands.find((each) => each.name() === word) ?? named
  return named
}

const operandAfter = (argv: readonly string[], name: string): string | undefined =>
  argv.slice(argv.indexOf(name) + 1).find((word) => !word.startsWith('-'))

function seeHelpOf(program: Command, named: Command): string {
  const path: string[] = []
  for (let each: Command | null = named; each !== null && each !== program; each = each.parent)
    path.unshift(each.name())
  return `See ${['hypha', ...path, '--help'].join(' ')}.`
}
