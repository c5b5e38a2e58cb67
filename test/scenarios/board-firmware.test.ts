import { afterAll, beforeAll, expect, it } from 'vitest'
import type { PushAnswer } from '../../gateway/admin/api/schemas/apps.ts'
import type { HistoryAnswer } from '../../gateway/admin/api/schemas/data.ts'
import type { Outcome } from '../../gateway/admin/cli/wait.ts'
import { eventually, type Fleet } from '../support/fleet.ts'
import { fleetWithBoard, type SimulatedBoard, untilNode } from './board-support.ts'
import { counting } from './rollout-support.ts'
import { ask, writeApp } from './support.ts'

// A release of the firmware, from the command line to the board at the end of a cable: the real gateway, agent, bridge and firmware.

let fleet: Fleet
let board: SimulatedBoard

beforeAll(async () => {
  ;({ fleet, board } = await fleetWithBoard('--sensor', 'outdoor=18.5'))
}, 120_000)
afterAll(async () => {
  await board?.end()
  await fleet?.stop()
})

async function highest(): Promise<number> {
  const of = { app: 'app', module: 'main', metric: 'count', home: 'mcu-1', limit: '100000' }
  const { points } = await ask<HistoryAnswer>(fleet, '/v1/values/history', of)
  return Math.max(0, ...points.map(({ mean }) => mean!))
}

const moreThan = (least: number) =>
  eventually(`a count above ${least}`, async () => (await highest()) > least || undefined, 60_000)

const release = (label: string) =>
  fleet.json<PushAnswer & { outcome: Outcome; label: string }>(['mcu', 'release', '--board', 'host', '--label', label])

// The firmware is compiled twice, on a machine with other work.
const timeout = 240_000

it('A release of the firmware is tried by the board and confirmed by its node, and the module goes on from its state', {
  timeout,
}, async () => {
  await untilNode(fleet, 'pi-7', 'sees its board', (node) => node.boards.length > 0)
  await fleet.hypha(['accept', 'pi-7/mcu-1'])
  await untilNode(fleet, 'mcu-1', 'is online and takes its firmware', ({ online, inventory }) =>
    Boolean(online && inventory?.updates?.includes('hypha-firmware')),
  )
  await fleet.json<PushAnswer>([
    'push',
    writeApp(fleet, 'app', '[module.main]\ntimer = "200ms"\nheap = "3KiB"\n', {
      main: counting(1, {
        tick: 'const reading = read("outdoor"); if (reading.isOk) emit("outdoor", reading.value);',
        more: 'import { read } from "hypha/host/sensor";',
      }),
    }),
  ])
  await moreThan(5)
  const { label, outcome } = await release('0.2.0')
  expect(label).toMatch(/^0\.2\.0 /)
  expect(outcome.confirmed).toEqual(['mcu-1'])
  await untilNode(fleet, 'mcu-1', 'runs 0.2.0', ({ inventory }) => inventory?.agentVersion === '0.2.0')
  await moreThan((await highest()) + 3)
})

it('The next one goes to the other slot; rolled back, the one before comes again', { timeout }, async () => {
  expect((await release('0.3.0')).outcome.confirmed).toEqual(['mcu-1'])
  await untilNode(fleet, 'mcu-1', 'runs 0.3.0', ({ inventory }) => inventory?.agentVersion === '0.3.0')
  await fleet.hypha(['rollback', 'hypha-firmware', '--no-wait'])
  await untilNode(fleet, 'mcu-1', 'runs 0.2.0 again', ({ inventory }) => inventory?.agentVersion === '0.2.0')
  await moreThan((await highest()) + 3)
})
