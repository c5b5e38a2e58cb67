import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet } from '../support/fleet.ts'
import { inState, push, show, twoNodes } from './rollout-support.ts'

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start()
  await twoNodes(fleet, 'app')
})
afterAll(() => fleet.stop())

test('A gateway that is killed while nodes prepare goes on when it is back', async () => {
  const slow = fleet.agents.get('pi-2')!.child
  slow.kill('SIGSTOP')
  await push(fleet, 'app', 2)
  await inState(fleet, 'app', 2, 'preparing')
  await fleet.gateway!.end('SIGKILL')
  slow.kill('SIGCONT')
  await fleet.startGateway()
  await show(fleet, 'app', 2, ['pi-1', 'pi-2'])
  await inState(fleet, 'app', 2, 'done')
})

test('A gateway that is killed after a commit sees it through when it is back', async () => {
  await push(fleet, 'app', 3)
  // Nodes flip within milliseconds, and confirm seconds later.
  await inState(fleet, 'app', 3, 'committed')
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway()
  const { nodes } = await inState(fleet, 'app', 3, 'done')
  expect(nodes.map(({ status }) => status)).toEqual(['confirmed', 'confirmed'])
  await show(fleet, 'app', 3, ['pi-1', 'pi-2'])
})
