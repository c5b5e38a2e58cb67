import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { inState, nodeAt, push, receiptsOf, show, twoNodes } from './rollout-support.ts'

// Commits that come when nobody expects them: after their instant, again, before what they are about. [P 10.4]

let fleet: Fleet
const both = ['pi-1', 'pi-2']

beforeAll(async () => {
  fleet = await Fleet.start()
  await twoNodes(fleet, 'app')
})
afterAll(() => fleet.stop())

const started = (node: string) => fleet.agents.get(node)!.lines.filter((line) => /app runs release/.test(line)).length

test('A commit that comes after its instant means now, and the receipt says that it was late', async () => {
  const [one, two] = both.map((node) => fleet.agents.get(node)!.child)
  one!.kill('SIGSTOP')
  const { epoch } = await push(fleet, 'app', 2)
  await nodeAt(fleet, 'app', 'pi-2', 'prepared')
  two!.kill('SIGSTOP')
  one!.kill('SIGCONT')
  const [inTime] = await receiptsOf(fleet, 'app', epoch, ['pi-1'])
  two!.kill('SIGCONT')
  await inState(fleet, 'app', 2, 'done')
  await show(fleet, 'app', 2, both)
  const [, late] = await receiptsOf(fleet, 'app', epoch, both)
  expect(late!.late).toBe(true)
  expect(late!.flippedMs).toBeGreaterThan(inTime!.instantMs)
})

test('The same commit again changes nothing: a gateway that starts publishes the last one once more', async () => {
  const before = both.map(started)
  for (let time = 0; time < 2; time++) {
    const lines = both.map((node) => connections(node))
    await fleet.gateway!.end('SIGKILL')
    await fleet.startGateway()
    await eventually(
      'both are connected again',
      () => both.every((node, index) => connections(node) > lines[index]!) || undefined,
    )
  }
  await fleet.reached('app', 'confirmed')
  await show(fleet, 'app', 2, both)
  expect(both.map(started)).toEqual(before)
})

const connections = (node: string) => fleet.agents.get(node)!.lines.filter((line) => /connected to/.test(line)).length

test('A node that hears of a commit before the directive that it is about waits for that, and then flips', async () => {
  // The directive waits for pi-2 at the gateway, while the wave goes on without it; when it is back the commit is retained, and both come at once in whatever order.
  await fleet.agents.get('pi-2')!.end('SIGKILL')
  const { epoch } = await push(fleet, 'app', 3)
  await receiptsOf(fleet, 'app', epoch, ['pi-1'])
  await fleet.startAgent('pi-2')
  await inState(fleet, 'app', 3, 'done')
  await show(fleet, 'app', 3, both)
  await fleet.reached('app', 'confirmed')
})
