import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet } from '../support/fleet.ts'
import { inState, push, show, twoNodes } from './rollout-support.ts'

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start()
  await twoNodes(fleet, 'app')
})
afterAll(() => fleet.stop())

const nodes = ['pi-1', 'pi-2']

test('A newer push in the middle of a rollout takes its place', async () => {
  const slow = fleet.agents.get('pi-2')!.child
  slow.kill('SIGSTOP')
  await push(fleet, 'app', 2)
  await inState(fleet, 'app', 2, 'preparing')
  await push(fleet, 'app', 3)
  slow.kill('SIGCONT')
  await inState(fleet, 'app', 3, 'done')
  await show(fleet, 'app', 3, nodes)
  expect(fleet.agents.get('pi-1')!.lines.filter((line) => /app runs release/.test(line))).toHaveLength(2)
})

test('Two apps are rolled out at once on the same nodes, each for itself', async () => {
  await Promise.all([push(fleet, 'app', 4), push(fleet, 'other', 1)])
  await Promise.all([inState(fleet, 'app', 4, 'done'), inState(fleet, 'other', 1, 'done')])
  await Promise.all([show(fleet, 'app', 4, nodes), show(fleet, 'other', 1, nodes)])
})
