import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CutProxy } from '../support/cut-proxy.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { addEdge, beatsOn, beatTimes, handovers, heard, placedOn, pushBeat, untilOnline } from './lease-support.ts'
import { sayTo } from './node-support.ts'
import { eventOf } from './support.ts'

// A partition, not a death: the network between an edge and its gateway is gone, and both stay up.

let fleet: Fleet
const proxies = new Map<string, CutProxy>()
const edges = ['edge-1', 'edge-2']
const beat = ['heart', 'beat'] as const
/** Who is cut off, and who takes over. */
let [cut, other] = ['', '']

beforeAll(async () => {
  fleet = await Fleet.start({ name: 'leases' })
  for (const node of edges) proxies.set(node, await addEdge(fleet, node))
  await pushBeat(fleet)
  await pushBeat(fleet, 'kept', 'offline = "keep"\n')
})
afterAll(async () => {
  for (const proxy of proxies.values()) proxy.close()
  await fleet.stop()
})

/** Nothing comes through any more, and no packet says so. */
async function cutOffHolder(): Promise<void> {
  cut = (await placedOn(fleet, beat)).node
  other = edges.find((node) => node !== cut)!
  await beatsOn(fleet, cut, Date.now())
  proxies.get(cut)!.silence()
}

async function mend(): Promise<void> {
  proxies.get(cut)!.cut()
  proxies.get(cut)!.letGo()
  await untilOnline(fleet, cut, true)
  // What it did while it was cut off comes in late, under its own name.
  await eventOf(fleet, 'heart', 'lease-run-out', /./, cut)
}

/** Two that beat at the same time would take turns ten times a second. */
async function neverTwoAtOnce(): Promise<void> {
  const { seen, ordered } = await handovers(fleet, edges)
  expect(seen).toBeGreaterThan(0)
  expect(seen).toBeLessThanOrEqual(ordered)
}

test('Cut off, an edge stops by its own clock before another begins, and both are never at it at the same time', async () => {
  const kept = (await placedOn(fleet, ['kept', 'beat'])).node
  await beatsOn(fleet, kept, 0, 'kept')
  await sayTo(fleet, 'heart', 1)
  await eventually('it heard the first', async () => (await heard(fleet)).length === 1 || undefined)
  await cutOffHolder()
  await sayTo(fleet, 'heart', 2)
  await untilOnline(fleet, cut, false)
  await sayTo(fleet, 'heart', 3)
  await eventOf(fleet, null, 'node-lost', /is away and its lease has run out/, cut)
  const { why } = await placedOn(fleet, beat, (node) => node === other)
  expect(why.join()).toContain(`${cut} is away and its lease has run out`)
  await beatsOn(fleet, other, Date.now())
  expect(fleet.agents.get(cut)!.running).toBe(true)
  await mend()
  await sayTo(fleet, 'heart', 4)
  await eventually('it heard the last', async () => (await heard(fleet)).includes(4) || undefined)
  await neverTwoAtOnce()
  // One turn of one node for each input.
  expect(await heard(fleet)).toEqual([1, 2, 3, 4])
})

test('What is to be kept goes on all the while where it was, and nowhere else', async () => {
  const { node } = await placedOn(fleet, ['kept', 'beat'])
  proxies.get(node)!.silence()
  await untilOnline(fleet, node, false)
  await eventOf(fleet, null, 'node-lost', /./, node)
  const away = Date.now()
  proxies.get(node)!.cut()
  proxies.get(node)!.letGo()
  await beatsOn(fleet, node, Date.now() + 500, 'kept')
  const times = await beatTimes(fleet, node, 'kept')
  // By then its leases had run out, and it was cut off still.
  expect(times.some((at) => at > away - 1_000 && at < away)).toBe(true)
  expect((await placedOn(fleet, ['kept', 'beat'])).node).toBe(node)
  expect(await beatTimes(fleet, edges.find((each) => each !== node)!, 'kept')).toEqual([])
})

test('A gateway that is killed and started anew while the holder is cut off waits for a lease that it can’t know of', async () => {
  await cutOffHolder()
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway()
  await placedOn(fleet, beat, (node) => node === other)
  await beatsOn(fleet, other, Date.now())
  await mend()
  await neverTwoAtOnce()
})
