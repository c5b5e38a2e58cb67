import { expect, test } from 'vitest'
import { agentProgram, runProgram } from '../../examples/demo/processes.ts'

// None of these looks into the folder.
const agent = (...args: string[]) => runProgram(agentProgram, args, { HYPHA_AGENT_HOME: '/nowhere' })

test.each([
  [['jion', 'hypha://x'], "Unknown command 'jion' (Did you mean join?)"],
  [['run', '--hom', '/tmp'], "Unknown option '--hom' (Did you mean --home?)"],
  [['run', '--colour'], "Unknown option '--colour'"],
  [['join'], 'join takes one argument: the join URL, in quotes'],
])('hypha-agent %j is refused with what was meant, and where the help is', async (args, message) => {
  const { code, stdout, stderr } = await agent(...args, '--json')
  expect([code, stdout]).toEqual([2, ''])
  expect(JSON.parse(stderr).error).toEqual({ code: 'argument-invalid', message, mend: 'See hypha-agent --help.' })
})

test('its help fits 80 columns and has an example; its version is one', async () => {
  const { code, stdout } = await agent('--help')
  expect(code).toBe(0)
  expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
  expect(stdout).toMatch(/\nExample:\n {2}\$ hypha-agent join /)
  expect((await agent('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})
