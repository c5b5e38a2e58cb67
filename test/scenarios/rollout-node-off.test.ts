import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet } from '../support/fleet.ts'
import { inState, push, show, twoNodes } from './rollout-support.ts'

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start()
  await twoNodes(fleet, 'app')
})
afterAll(() => fleet.stop())

test('A node that is off during a rollout holds nobody up, and runs the new release once it is back', async () => {
  await fleet.agents.get('pi-2')!.end('SIGKILL')
  const { epoch } = await push(fleet, 'app', 2)
  const done = await inState(fleet, 'app', 2, 'done')
  const away = done.nodes.find(({ node }) => node === 'pi-2')!
  expect(away).toMatchObject({ online: false, epoch, status: 'waiting' })
  expect(away.waitsFor).toMatch(/come online/)
  await show(fleet, 'app', 2, ['pi-1'])
  await fleet.startAgent('pi-2')
  await show(fleet, 'app', 2, ['pi-2'])
  await fleet.reached('app', 'confirmed')
})
