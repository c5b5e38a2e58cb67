import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet } from '../support/fleet.ts'
import { inState, push, receiptsOf, rolloutOf, show, ticking, twoNodes } from './rollout-support.ts'
import { eventOf } from './support.ts'

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start()
  await twoNodes(fleet, 'app')
})
afterAll(() => fleet.stop())

test('A release that not all nodes have prepared in time runs nowhere, and the rollout says who was missing', async () => {
  const stopped = fleet.agents.get('pi-2')!.child
  stopped.kill('SIGSTOP')
  await push(fleet, 'app', 2, '', `[rollout]\nprepare = "5s"\n\n${ticking}`)
  const { phases } = await inState(fleet, 'app', 2, 'aborted')
  stopped.kill('SIGCONT')
  // A busy machine keeps the other one from it, too.
  expect(phases!.why).toMatch(/^[01] of 2 nodes had prepared in time, and 2 of 2 must: .*pi-2 is waiting/)
  await show(fleet, 'app', 1, ['pi-1', 'pi-2'])
  await fleet.reached('app', 'confirmed')
  expect((await rolloutOf(fleet, 'app')).release).toBe(1)
})

test('A release that traps after the flip is taken back everywhere, at one instant', async () => {
  const { epoch } = await push(fleet, 'app', 3, 'if (ticks > 3) unreachable();')
  const { phases } = await inState(fleet, 'app', 3, 'rolled-back')
  expect(phases!.why).toMatch(/pi-[12]/)
  await eventOf(fleet, 'app', 'rollout-rolled-back', /release 3/)
  await show(fleet, 'app', 1, ['pi-1', 'pi-2'])
  await fleet.reached('app', 'confirmed')
  expect((await rolloutOf(fleet, 'app')).release).toBe(1)
  const [one, two] = await receiptsOf(fleet, 'app', epoch + 1, ['pi-1', 'pi-2'])
  expect(one!.instantMs).not.toBeNull()
  expect(one!.instantMs).toBe(two!.instantMs)
})
