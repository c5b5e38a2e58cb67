import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CutProxy } from '../support/cut-proxy.ts'
import { Fleet } from '../support/fleet.ts'
import { addBehindProxy, inState, nodeAt, push, receiptsOf, show, ticking, versioned } from './rollout-support.ts'
import { writeApp } from './support.ts'

// A link that is cut while a node prepares: nobody is held up, and nothing is received twice.

let fleet: Fleet
const proxies = new Map<string, CutProxy>()
const both = ['pi-1', 'pi-2']

/** Text that compresses to some 40 KB: more than one message. */
const noise = Array.from({ length: 60_000 }, () => Math.floor(Math.random() * 36).toString(36)).join('')
const large = `if (nowMs == 0) emit("${noise}", 0);`

beforeAll(async () => {
  fleet = await Fleet.start()
  for (const node of both) proxies.set(node, await addBehindProxy(fleet, node))
  await fleet.hypha(['push', '--snap', writeApp(fleet, 'app', ticking, { main: versioned(1) })])
})
afterAll(async () => {
  for (const proxy of proxies.values()) proxy.close()
  await fleet.stop()
})

test('Cut in the middle of what it receives, a node goes on with the rest and flips', async () => {
  const proxy = proxies.get('pi-1')!
  // So that the wave waits, whatever becomes of the cut link.
  const other = fleet.agents.get('pi-2')!.child
  other.kill('SIGSTOP')
  proxy.bytesPerS = 5_000
  const { epoch } = await push(fleet, 'app', 2, large)
  await nodeAt(fleet, 'app', 'pi-1', 'receiving')
  proxy.cut()
  proxy.bytesPerS = Number.POSITIVE_INFINITY
  await nodeAt(fleet, 'app', 'pi-1', 'prepared')
  other.kill('SIGCONT')
  await inState(fleet, 'app', 2, 'done')
  await show(fleet, 'app', 2, both)
  const [one, two] = await receiptsOf(fleet, 'app', epoch, both)
  expect(one!.instantMs).toBe(two!.instantMs)
})

test('Cut once it has prepared, and back after the instant, a node flips late and says so', async () => {
  const proxy = proxies.get('pi-1')!
  const other = fleet.agents.get('pi-2')!.child
  other.kill('SIGSTOP')
  const { epoch } = await push(fleet, 'app', 3)
  await nodeAt(fleet, 'app', 'pi-1', 'prepared')
  // Nothing comes through any more, and nobody is told that it is so.
  proxy.hold()
  other.kill('SIGCONT')
  await receiptsOf(fleet, 'app', epoch, ['pi-2'])
  proxy.cut()
  proxy.letGo()
  await inState(fleet, 'app', 3, 'done')
  await show(fleet, 'app', 3, both)
  const [late, inTime] = await receiptsOf(fleet, 'app', epoch, both)
  expect(late!.late).toBe(true)
  expect(late!.flippedMs).toBeGreaterThan(inTime!.instantMs)
})
