import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventually, type Fleet } from '../support/fleet.ts'
import { fleetWithBoard, type SimulatedBoard, untilNode } from './board-support.ts'

// The bridge is a process of its own beside the agent, which may start nothing any more once it runs.

let fleet: Fleet
let board: SimulatedBoard

beforeAll(async () => {
  ;({ fleet, board } = await fleetWithBoard())
}, 120_000)
afterAll(async () => {
  await board?.end()
  await fleet?.stop()
})

/** The bridges of this fleet's agents, as processes: what they are called begins so, and their socket lies in an agent's folder. */
const bridges = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        return line.startsWith('hypha-bridge ') && line.includes(fleet.agentHome('pi-7'))
      } catch {
        // It has ended meanwhile.
        return false
      }
    })
    .map(Number)

it.runIf(process.platform === 'linux')(
  'A bridge that dies is started again, and its boards are found again; with the agent it ends',
  {
    timeout: 240_000,
  },
  async () => {
    await untilNode(fleet, 'pi-7', 'sees its board', ({ boards }) => boards[0]?.connected === true)
    await fleet.hypha(['accept', 'pi-7/mcu-1'])
    await untilNode(fleet, 'mcu-1', 'is online', ({ online }) => online)
    const [bridge] = await eventually('its bridge runs', async () => (bridges().length === 1 ? bridges() : undefined))
    process.kill(bridge!, 'SIGKILL')
    await untilNode(fleet, 'mcu-1', 'is away', ({ online }) => !online)
    await untilNode(fleet, 'mcu-1', 'is back', ({ online }) => online)
    expect(bridges()).not.toContain(bridge)
    await fleet.agents.get('pi-7')!.end('SIGKILL')
    await eventually('the bridge has ended with its agent', async () => bridges().length === 0 || undefined, 30_000)
  },
)
