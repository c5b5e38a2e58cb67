import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CutProxy } from '../support/cut-proxy.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { addBehindProxy, inState, nodeAt, push, show, ticking, versioned } from './rollout-support.ts'
import { steadySensor, writeApp } from './support.ts'

// What many nodes need is published once, retained, and each takes it from there: also who was cut meanwhile; who comes later has it in its own way.

let fleet: Fleet
let proxy: CutProxy
const five = ['pi-1', 'pi-2', 'pi-3', 'pi-4', 'pi-5']
const six = [...five, 'pi-6']

/** Each starts seven agents, and builds. */
const onABusyMachineMs = 180_000

/** What a node's log says of what it took from the message for all, in bytes. */
const taken = (node: string): number[] =>
  fleet.agents.get(node)!.lines.flatMap((line) => {
    const [, bytes] = /app takes (\d+) bytes from the message for all nodes/.exec(line) ?? []
    return bytes === undefined ? [] : [Number(bytes)]
  })
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

beforeAll(async () => {
  fleet = await Fleet.start()
  for (const node of five) await fleet.addNode(node, { nodeFile: steadySensor })
  proxy = await addBehindProxy(fleet, 'pi-6')
}, onABusyMachineMs)
afterAll(async () => {
  proxy?.close()
  await fleet.stop()
}, onABusyMachineMs)

test(
  'Six nodes take each release from one message for all, also the one that was cut when it came',
  async () => {
    await fleet.hypha(['push', '--snap', writeApp(fleet, 'app', ticking, { main: versioned(1) })])
    await show(fleet, 'app', 1, six)
    const first = six.map((node) => sum(taken(node)))
    expect(Math.min(...first)).toBeGreaterThan(0)
    expect(new Set(first).size).toBe(1)
    // So that the wave waits, whatever becomes of the one that is away when the second comes.
    const slow = fleet.agents.get('pi-1')!.child
    slow.kill('SIGSTOP')
    proxy.hold()
    proxy.cut()
    await push(fleet, 'app', 2)
    for (const node of five.slice(1)) await nodeAt(fleet, 'app', node, 'prepared')
    expect(sum(taken('pi-6'))).toBe(first[5])
    // What is retained waits for it.
    proxy.letGo()
    await eventually('the node that was cut has it, too', () => sum(taken('pi-6')) > first[5]! || undefined)
    slow.kill('SIGCONT')
    await inState(fleet, 'app', 2, 'done')
    await show(fleet, 'app', 2, six)
    for (const [index, node] of six.entries()) expect(sum(taken(node))).toBeGreaterThan(first[index]!)
  },
  onABusyMachineMs,
)

test(
  'A node that comes later needs what nobody else does, and runs the same',
  async () => {
    await fleet.addNode('pi-7', { nodeFile: steadySensor })
    await show(fleet, 'app', 2, [...six, 'pi-7'])
    expect(taken('pi-7')).toEqual([])
  },
  onABusyMachineMs,
)

test('The gateway ends at once, whatever it has retained for them', async () => {
  expect(await fleet.gateway!.end()).toBe(0)
})
