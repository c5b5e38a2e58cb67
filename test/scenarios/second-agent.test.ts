import { afterEach, expect, test } from 'vitest'
import { agentProgram, runProgram } from '../../examples/demo/processes.ts'
import { eventually, Fleet } from '../support/fleet.ts'

// Somebody starts an agent by hand in the folder of one that runs.

let fleet: Fleet | null = null
afterEach(async () => {
  await fleet?.stop()
  fleet = null
})

test('a second agent in a folder ends at once, the first goes on, and a killed one holds nothing', {
  timeout: 60_000,
}, async () => {
  fleet = await Fleet.start()
  const agent = await fleet.addNode('pi-7')
  const online = async () =>
    (await fleet!.json<{ nodes: { online: number } }>(['status'])).nodes.online === 1 || undefined
  await eventually('pi-7 is online', online)
  const second = await runProgram(agentProgram, ['run', '--home', fleet.agentHome('pi-7'), '--json'], {})
  expect([second.code, JSON.parse(second.stderr).error.code]).toEqual([2, 'already-running'])
  expect(await online()).toBe(true)
  await agent.end('SIGKILL')
  await fleet.startAgent('pi-7')
})
