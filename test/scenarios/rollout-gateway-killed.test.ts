import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { areOnline, inState, nodeAt, push, receiptsOf, rolloutOf, show, ticking, twoNodes } from './rollout-support.ts'
import { eventOf } from './support.ts'

let fleet: Fleet
const both = ['pi-1', 'pi-2']

beforeAll(async () => {
  fleet = await Fleet.start()
  await twoNodes(fleet, 'app')
})
afterAll(() => fleet.stop())
// Who is away when the next test begins takes no part in it.
afterEach(() => areOnline(fleet, 'app', both))

test('A gateway that is killed while nodes prepare goes on when it is back', async () => {
  const slow = fleet.agents.get('pi-2')!.child
  slow.kill('SIGSTOP')
  await push(fleet, 'app', 2)
  await inState(fleet, 'app', 2, 'preparing')
  await fleet.gateway!.end('SIGKILL')
  slow.kill('SIGCONT')
  await fleet.startGateway()
  await show(fleet, 'app', 2, both)
  await inState(fleet, 'app', 2, 'done')
})

test('A gateway that is killed after a commit sees it through when it is back', async () => {
  await push(fleet, 'app', 3)
  // Nodes flip within milliseconds, and confirm seconds later.
  await inState(fleet, 'app', 3, 'committed')
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway()
  await inState(fleet, 'app', 3, 'done')
  await fleet.reached('app', 'confirmed')
  await show(fleet, 'app', 3, both)
})

test('A gateway that is killed while it watches how the nodes do ends the rollout when it is back', async () => {
  const { epoch } = await push(fleet, 'app', 4, '', `[rollout]\nsoak = "5s"\n\n${ticking}`)
  await inState(fleet, 'app', 4, 'soaking')
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway()
  await inState(fleet, 'app', 4, 'done')
  await show(fleet, 'app', 4, both)
  await receiptsOf(fleet, 'app', epoch, both)
})

test('A gateway that is killed once it has aborted tells the nodes when it is back: what they prepared is dropped', async () => {
  const slow = fleet.agents.get('pi-2')!.child
  slow.kill('SIGSTOP')
  await push(fleet, 'app', 5)
  // Prepared, and never committed, for as long as a busy machine takes.
  await fleet.hypha(['rollout', 'pause', 'app'])
  slow.kill('SIGCONT')
  for (const node of both) await nodeAt(fleet, 'app', node, 'prepared')
  slow.kill('SIGSTOP')
  // Whom it would tell hears nothing before it is gone.
  const other = fleet.agents.get('pi-1')!.child
  other.kill('SIGSTOP')
  await fleet.hypha(['rollout', 'abort', 'app'])
  await fleet.gateway!.end('SIGKILL')
  slow.kill('SIGCONT')
  other.kill('SIGCONT')
  await fleet.startGateway()
  const { phases } = await inState(fleet, 'app', 5, 'aborted')
  expect(phases!.why).toMatch(/has aborted it/)
  await fleet.reached('app', 'confirmed')
  await show(fleet, 'app', 4, both)
  expect((await rolloutOf(fleet, 'app')).release).toBe(4)
  await areOnline(fleet, 'app', both)
  await push(fleet, 'app', 6)
  await inState(fleet, 'app', 6, 'done')
})

test('A gateway that is killed while it takes a release back goes on with that when it is back', async () => {
  await push(fleet, 'app', 7, 'if (ticks > 3) unreachable();')
  await eventually('it is being taken back', async () => {
    const state = (await rolloutOf(fleet, 'app')).phases?.state ?? ''
    return ['restoring', 'rolled-back'].includes(state) || undefined
  })
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway()
  await eventOf(fleet, 'app', 'rollout-rolled-back', /release 7/)
  await show(fleet, 'app', 6, both)
  await fleet.reached('app', 'confirmed')
  expect((await rolloutOf(fleet, 'app')).release).toBe(6)
})
