import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CutProxy } from '../support/cut-proxy.ts'
import { Fleet } from '../support/fleet.ts'
import { addEdge, beatsOn, beatTimes, placedOn, pushBeat, untilOnline } from './lease-support.ts'
import { eventOf } from './support.ts'

// A partition, not a death: the network between an edge and its gateway is gone, and both stay up.

let fleet: Fleet
const proxies = new Map<string, CutProxy>()

beforeAll(async () => {
  fleet = await Fleet.start({ name: 'leases' })
  for (const node of ['edge-1', 'edge-2']) proxies.set(node, await addEdge(fleet, node))
  await pushBeat(fleet)
  await pushBeat(fleet, 'kept', 'offline = "keep"\n')
})
afterAll(async () => {
  for (const proxy of proxies.values()) proxy.close()
  await fleet.stop()
})

test('Cut off, an edge stops by its own clock before another begins, and both are never at it at the same time', async () => {
  await beatsOn(fleet, 'edge-1')
  await beatsOn(fleet, 'edge-1', 0, 'kept')
  // Nothing comes through any more, and no packet says so.
  proxies.get('edge-1')!.hold()
  await untilOnline(fleet, 'edge-1', false)
  await eventOf(fleet, null, 'node-lost', /edge-1 is away and its lease has run out/)
  expect((await placedOn(fleet, 'edge-2')).join()).toContain('edge-1 is away and its lease has run out')
  await beatsOn(fleet, 'edge-2')
  expect(fleet.agents.get('edge-1')!.running).toBe(true)
  proxies.get('edge-1')!.cut()
  proxies.get('edge-1')!.letGo()
  await untilOnline(fleet, 'edge-1', true)
  // What it did while it was cut off comes in late, under its own name.
  await eventOf(fleet, 'heart', 'lease-run-out', /./, 'edge-1')
  const back = Date.now()
  await beatsOn(fleet, 'edge-2', back + 500)
  const [first, second] = [await beatTimes(fleet, 'edge-1'), await beatTimes(fleet, 'edge-2')]
  expect(first.length).toBeGreaterThan(0)
  expect(Math.max(...first)).toBeLessThan(Math.min(...second))
})

test('What is to be kept has gone on all the while where it was, and nowhere else', async () => {
  await beatsOn(fleet, 'edge-1', Date.now(), 'kept')
  const taken = Math.min(...(await beatTimes(fleet, 'edge-2')))
  const kept = await beatTimes(fleet, 'edge-1', 'kept')
  // Cut off, and after its lease of the other one had run out.
  expect(kept.filter((at) => at > taken - 500 && at < taken).length).toBeGreaterThan(0)
  expect(await beatTimes(fleet, 'edge-2', 'kept')).toEqual([])
})

test('A gateway that is killed and started anew while the holder is cut off waits for a lease that it can’t know of', async () => {
  await beatsOn(fleet, 'edge-2', Date.now())
  proxies.get('edge-2')!.hold()
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway()
  await placedOn(fleet, 'edge-1')
  const taken = await beatsOn(fleet, 'edge-1', Date.now())
  proxies.get('edge-2')!.cut()
  proxies.get('edge-2')!.letGo()
  await untilOnline(fleet, 'edge-2', true)
  await eventOf(fleet, 'heart', 'lease-run-out', /./, 'edge-2')
  const [first, second] = [await beatTimes(fleet, 'edge-1'), await beatTimes(fleet, 'edge-2')]
  const again = first.filter((at) => at > Math.min(...second))
  expect(again).toContain(taken.at)
  expect(Math.max(...second)).toBeLessThan(Math.min(...again))
})
