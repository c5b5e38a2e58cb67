import { expect, test } from 'vitest'
import { createProgram } from '../../../gateway/admin/cli/program.ts'

type Command = Awaited<ReturnType<typeof createProgram>>

const program = await createProgram()

const helpOf = (command: Command): string => {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp()
  return text
}

/** Commands that do something, by their whole names. */
function actions(command: Command, path: readonly string[] = []): [string, Command][] {
  if (command.commands.length === 0) return [[path.join(' '), command]]
  return command.commands.flatMap((each) => actions(each, [...path, each.name()]))
}

test.each(actions(program))('hypha %s has a summary, and examples of itself in its help', (name, command) => {
  expect(command.summary()).not.toBe('')
  const help = helpOf(command)
  expect(help).toMatch(/\nExamples?:\n {2}\$ hypha /)
  const noun = name.split(' ')[0]!
  const examples = [...help.matchAll(/^ {2}\$ hypha (.*)$/gm)].map(([, example]) => example!)
  expect(examples.filter((example) => example.split(' ')[0] === noun)).not.toEqual([])
})

test.each(program.commands.filter(({ commands }) => commands.length > 0).map((each) => [each.name(), each] as const))(
  'hypha %s --help says what it is about, with an example of each of its commands',
  (name, group) => {
    expect(group.description()).not.toBe('')
    const examples = [...helpOf(group).matchAll(new RegExp(`^ {2}\\$ hypha ${name}\\b`, 'gm'))]
    expect(examples).toHaveLength(group.commands.length)
  },
)

test('the help names the themes and every command once', () => {
  const help = helpOf(program)
  expect([...help.matchAll(/^(\w+):$/gm)].map(([, heading]) => heading)).toEqual([
    'Options',
    'Fleet',
    'Apps',
    'Data',
    'Access',
    'Help',
    'Example',
  ])
  for (const { name } of program.commands.map((each) => ({ name: each.name() }))) {
    expect([...help.matchAll(new RegExp(`^ {2}${name}(?= )`, 'gm'))], name).toHaveLength(1)
  }
})

test('a command that is named is loaded alone with those of its file', async () => {
  for (const command of program.commands) {
    const alone = await createProgram(command.name())
    const names = alone.commands.map((each) => each.name())
    expect(names).toContain(command.name())
    expect(names.length).toBeLessThan(5)
  }
})
