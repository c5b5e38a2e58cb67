import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentProgram, runProgram } from '../../examples/demo/processes.ts'
import { trustSnapshot } from '../../src/trust/snapshot.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { clockOff, nodeOf, pushMeter, setSecret, spawnAgentAt, untilNode, untilValue } from './node-support.ts'
import { steadySensor } from './support.ts'

// A board without a battery wakes up in 1970, and may stay there until somebody sets its clock. Others are an hour off. All of them join, connect, verify and run.

const in1970 = '@1970-01-01 00:02:00'

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start()
})
afterAll(() => fleet.stop())

/** The latest time that the gateway has signed, as the node keeps it. */
function timeFloor(node: string): number {
  const path = join(fleet.agentHome(node), 'data/trust')
  return existsSync(path) ? trustSnapshot.decode(readFileSync(path)).gatewayTimeMs : 0
}

const upToDate = (node: string) =>
  untilNode(fleet, node, 'up to date', ({ online, directive }) => online && directive.held === directive.wanted)

test('In 1970 a node joins, connects over TLS, verifies what it is to run, and runs it', async () => {
  const { url } = await fleet.json<{ url: string }>(['invite', 'pi-7', '--url-only'])
  const home = fleet.agentHome('pi-7')
  const clock = clockOff(in1970)
  const year = await runProgram('-p', ['new Date().getUTCFullYear()'], clock)
  expect(year.stdout.trim()).toBe('1970')
  const joined = await runProgram(agentProgram, ['join', url, '--home', home], clock)
  expect(joined).toMatchObject({ code: 0, stderr: '' })
  fleet.writeNodeFile('pi-7', steadySensor)
  const agent = spawnAgentAt(fleet, 'pi-7', in1970)
  await agent.line(/connected/)
  await pushMeter(fleet)
  await setSecret(fleet, 'four')
  await untilValue(fleet, 'secret', 'pi-7', (length) => length === 4)
  await fleet.reached('meter', 'confirmed')
  await upToDate('pi-7')
})

test('From what the gateway has signed it knows what time it can be at the earliest, also after it has started again in 1970', async () => {
  const floor = timeFloor('pi-7')
  expect(floor).toBeGreaterThan(Date.now() - 600_000)
  const { certificate } = await nodeOf(fleet, 'pi-7')
  await fleet.agents.get('pi-7')!.end('SIGKILL')
  const agent = spawnAgentAt(fleet, 'pi-7', in1970)
  await agent.line(/connected/)
  expect(timeFloor('pi-7')).toBe(floor)
  await setSecret(fleet, 'seven!!')
  await untilValue(fleet, 'secret', 'pi-7', (length) => length === 7)
  await eventually('the floor to rise', () => timeFloor('pi-7') > floor || undefined)
  // Its certificate is neither taken for one that has just begun nor for one that has ended.
  expect((await nodeOf(fleet, 'pi-7')).certificate).toEqual(certificate)
})

test.each(['-1h', '+1h'])(
  'With a clock that is off by %s a node joins, connects, and follows what the gateway says',
  async (offset) => {
    const node = offset === '-1h' ? 'pi-late' : 'pi-early'
    const { url } = await fleet.json<{ url: string }>(['invite', node, '--url-only'])
    const joined = await runProgram(agentProgram, ['join', url, '--home', fleet.agentHome(node)], clockOff(offset))
    expect(joined).toMatchObject({ code: 0, stderr: '' })
    fleet.writeNodeFile(node, steadySensor)
    await spawnAgentAt(fleet, node, offset).line(/connected/)
    await untilValue(fleet, 'ticks', node, (ticks) => ticks > 2)
    await setSecret(fleet, offset)
    await untilValue(fleet, 'secret', node, (length) => length === offset.length)
    await upToDate(node)
  },
)
