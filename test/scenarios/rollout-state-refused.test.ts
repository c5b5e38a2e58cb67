import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { sayTo } from './node-support.ts'
import { counting, inState, nodeAt, receiptsOf, rolloutOf, show, ticking } from './rollout-support.ts'
import { ask, eventOf, type ValueLine, writeApp } from './support.ts'

// State that the new release can't restore: found out in the rehearsal where that can be, else at the flip; either way the old one goes on, and nothing is lost.

let fleet: Fleet
const both = ['pi-1', 'pi-2']
const manifest = `${ticking}subscribe = ["say"]\n`

/** What it is sent counts, too; on the node whose sensor is called so it leaves a mark in the state. */
const heard = `
export function deliver(topic: string, payload: Uint8Array): void {
  state[1]++;
  if (names().includes("fragile")) state[2] = 1;
  emit("heard", state[1]);
}
`

const push = (version: number, restore = '') =>
  fleet.json<{ epoch: number }>([
    'push',
    '--snap',
    '--no-wait',
    writeApp(fleet, 'app', manifest, { main: counting(version, { restore, more: heard }) }),
  ])

const refuses = (when: string) => `if (${when}) return new Result<Unit, string>(false, 0, "this state is too old");`

const value = async (metric: string, node: string) => {
  const values = await ask<ValueLine[]>(fleet, '/v1/values', { app: 'app', metric })
  return values.find((each) => each.node === node)?.value ?? 0
}

const until = (metric: string, node: string, least: number) =>
  eventually(`${metric} of ${node} is ${least}`, async () => (await value(metric, node)) >= least || undefined)

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-1', { nodeFile: '[sensor.fragile]\ndriver = "sysfs"\npath = "/proc/loadavg"\n' })
  await fleet.addNode('pi-2', { nodeFile: '[sensor.load]\ndriver = "sysfs"\npath = "/proc/loadavg"\n' })
  await fleet.hypha(['push', '--snap', writeApp(fleet, 'app', manifest, { main: counting(1, { more: heard }) })])
})
afterAll(() => fleet.stop())

test('State that the rehearsal could not restore keeps the release from running anywhere, and the rollout says why', async () => {
  await until('count', 'pi-1', 5)
  await push(2, refuses('state[0] > 0'))
  const { phases } = await inState(fleet, 'app', 2, 'aborted')
  expect(phases!.why).toMatch(/pi-[12] is refused \(.*this state is too old.*\)/)
  await eventOf(fleet, 'app', 'prepare-refused', /this state is too old/)
  await eventOf(fleet, 'app', 'rollout-aborted', /this state is too old/)
  const before = await value('count', 'pi-1')
  await until('count', 'pi-1', before + 5)
  await show(fleet, 'app', 1, both)
  expect((await rolloutOf(fleet, 'app')).release).toBe(1)
})

test('State that could be restored in the rehearsal and not at the flip: the old release goes on there, and the others come back to it', async () => {
  const other = fleet.agents.get('pi-2')!.child
  other.kill('SIGSTOP')
  const { epoch } = await push(3, refuses('state[2] == 1'))
  await nodeAt(fleet, 'app', 'pi-1', 'prepared')
  await sayTo(fleet, 'app', 1)
  await until('heard', 'pi-1', 1)
  other.kill('SIGCONT')
  const { phases } = await inState(fleet, 'app', 3, 'rolled-back')
  expect(phases!.why).toMatch(/pi-1 is failed \(.*this state is too old.*\)/)
  const { text } = await eventOf(fleet, 'app', 'not-flipped', /this state is too old/, 'pi-1')
  expect(text).toMatch(new RegExp(`Epoch ${epoch} did not take over, and what ran before runs on`))
  const [receipt] = await receiptsOf(fleet, 'app', epoch, ['pi-2'])
  expect(receipt!.late).toBe(false)
  await show(fleet, 'app', 1, both)
  await fleet.reached('app', 'confirmed')
  // Both go on with what they had: neither count has begun anew, and each has heard what was said.
  const counts = await Promise.all(both.map((node) => value('count', node)))
  for (const [index, node] of both.entries()) await until('count', node, counts[index]! + 3)
  expect(await Promise.all(both.map((node) => value('heard', node)))).toEqual([1, 1])
  expect(Math.min(...counts)).toBeGreaterThan(10)
})
