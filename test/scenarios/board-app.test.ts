import { afterAll, beforeAll, expect, it } from 'vitest'
import type { PushAnswer } from '../../gateway/admin/api/schemas/apps.ts'
import type { HistoryAnswer } from '../../gateway/admin/api/schemas/data.ts'
import type { NodeDetail } from '../../gateway/admin/api/schemas/nodes.ts'
import type { ReceiptView } from '../../gateway/admin/api/schemas/rollouts.ts'
import { eventually, type Fleet } from '../support/fleet.ts'
import { fleetWithBoard, SimulatedBoard, startNodeAtPort, untilNode } from './board-support.ts'
import { sayTo } from './node-support.ts'
import { counting } from './rollout-support.ts'
import { ask, lastValue, writeApp } from './support.ts'

// A board from its first hello to an app that outgrows it: the real gateway, agent, bridge and firmware, a pseudo-terminal as the cable.

let fleet: Fleet
let board: SimulatedBoard

beforeAll(async () => {
  ;({ fleet, board } = await fleetWithBoard('--sensor', 'outdoor=18.5'))
}, 120_000)
afterAll(async () => {
  await board?.end()
  await fleet?.stop()
})

/** Its board keeps some twenty ticks while nobody is there to take them: an agent that starts on a busy machine is to be back by then. */
const push = (version: number, heap: string) =>
  fleet.json<PushAnswer>([
    'push',
    '--no-wait',
    writeApp(fleet, 'app', `[module.main]\ntimer = "1s"\nsubscribe = ["say"]\nheap = "${heap}"\n`, {
      main: counting(version, {
        tick: 'const reading = read("outdoor"); if (reading.isOk) emit("outdoor", reading.value);',
        more: `import { read } from "hypha/host/sensor";
export function deliver(topic: string, payload: Uint8Array): void { emit("heard", payload.length); }`,
      }),
    }),
  ])

/** The counts that the store has of the board, in the order of their times. */
async function counts(): Promise<number[]> {
  const of = { app: 'app', module: 'main', metric: 'count', home: 'mcu-1', limit: '100000' }
  return (await ask<HistoryAnswer>(fleet, '/v1/values/history', of)).points.map(({ mean }) => mean!)
}

const moreThan = (least: number) =>
  eventually(`a count above ${least}`, async () => ((await counts()).at(-1) ?? 0) > least || undefined, 60_000)

/** Nothing lost, nothing twice. */
const unbroken = async () => {
  const all = await counts()
  expect(all).toEqual(all.map((_, index) => index + 1))
  return all.length
}

const onABusyMachineMs = 240_000

it('A board waits until it is accepted, and is a node of the fleet then', { timeout: onABusyMachineMs }, async () => {
  const { boards } = await untilNode(fleet, 'pi-7', 'sees its board', (node) => node.boards.length > 0)
  expect(boards).toMatchObject([{ id: 'mcu-1', standing: 'pending', connected: true }])
  expect(await fleet.hypha(['node', 'pi-7'])).toMatch(/waits to be accepted: hypha accept pi-7\/mcu-1/)
  expect(await fleet.hypha(['accept', 'pi-7/mcu-1'])).toContain(boards[0]!.key.slice(0, 8))
  const node = await untilNode(fleet, 'mcu-1', 'is online', ({ online }) => online)
  expect(node).toMatchObject({ tier: 'mcu', parent: 'pi-7', inventory: { memoryBytes: 23_552, sensors: ['outdoor'] } })
  expect(await fleet.hypha(['node', 'pi-7/mcu-1'])).toMatch(/attached to +pi-7/)
})

it('What fits is placed on it, and what it reports is in the database once each, whatever happens to cable, agent and gateway', {
  timeout: onABusyMachineMs,
}, async () => {
  const { plan } = await push(1, '3KiB')
  expect(plan.instances).toMatchObject([{ module: 'main', home: 'mcu-1', node: 'mcu-1' }])
  const first = await lastValue(fleet, { app: 'app', metric: 'outdoor' })
  expect(first).toMatchObject({ node: 'mcu-1', home: 'mcu-1', value: 18.5 })
  await moreThan(2)
  board.replug('pulled')
  await untilNode(fleet, 'mcu-1', 'is away', ({ online }) => !online)
  board.replug('ttyUSB1')
  await untilNode(fleet, 'mcu-1', 'is back', ({ online }) => online)
  await moreThan(await unbroken())
  await fleet.agents.get('pi-7')!.end('SIGKILL')
  await untilNode(fleet, 'mcu-1', 'is away with its node', ({ online }) => !online)
  await startNodeAtPort(fleet, 'pi-7', 'ttyUSB*')
  await moreThan((await unbroken()) + 2)
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway()
  await moreThan((await unbroken()) + 2)
  await unbroken()
})

it('An edit is swapped in with its state kept, and its sequence unbroken', { timeout: onABusyMachineMs }, async () => {
  await push(2, '3KiB')
  await lastValue(fleet, { app: 'app', metric: 'version' }, ({ node, value }) => node === 'mcu-1' && value === 2)
  await fleet.reached('app', 'confirmed')
  await moreThan((await unbroken()) + 2)
  await unbroken()
  const receipts = () => ask<ReceiptView[]>(fleet, '/v1/apps/app/receipts')
  const [signed] = await eventually('its node has signed', async () => {
    const found = (await receipts()).filter(({ node }) => node === 'mcu-1')
    return found.length > 0 ? found : undefined
  })
  expect(signed).toMatchObject({ attestedBy: 'pi-7', from: {}, inputs: { lost: 0, doubled: 0 } })
  expect(signed!.pauseMs).toBeGreaterThan(0)
  expect(await fleet.hypha(['receipt', 'app', 'mcu-1'])).toMatch(/by pi-7$/m)
})

it('A message for its inbox reaches it by way of its node', { timeout: onABusyMachineMs }, async () => {
  await sayTo(fleet, 'app', 12_345)
  await lastValue(fleet, { app: 'app', metric: 'heard' }, ({ node, value }) => node === 'mcu-1' && value === 5)
})

it('What needs more memory than it has runs on its node, and reads its sensor; what fits again comes home', {
  timeout: onABusyMachineMs,
}, async () => {
  const { plan } = await push(3, '64KiB')
  expect(plan.instances).toMatchObject([{ module: 'main', home: 'mcu-1', node: 'pi-7' }])
  expect(plan.instances[0]!.why.join()).toMatch(/needs .* of memory, mcu-1 has .*its sensor linked to mcu-1/)
  const read = await lastValue(fleet, { app: 'app', metric: 'outdoor' }, ({ node }) => node === 'pi-7')
  expect(read).toMatchObject({ home: 'mcu-1', value: 18.5 })
  await untilNode(fleet, 'mcu-1', 'runs nothing', ({ sections }) => sections.length === 0)
  await push(4, '3KiB')
  await lastValue(fleet, { app: 'app', metric: 'version' }, ({ node, value }) => node === 'mcu-1' && value === 4)
})

it('One that carries an invitation is a node as soon as it is plugged in, and leaves when it is removed', {
  timeout: onABusyMachineMs,
}, async () => {
  const { token } = await fleet.json<{ token: string }>(['invite', 'mcu-2', '--tier', 'mcu'])
  const invited = new SimulatedBoard(fleet, 'mcu-2', '--invite', token)
  try {
    invited.start('ttyUSB2')
    await untilNode(fleet, 'mcu-2', 'is online', ({ online }) => online)
    // It runs what its fleet runs, without another word.
    await lastValue(fleet, { app: 'app', metric: 'version' }, ({ node }) => node === 'mcu-2')
    await fleet.hypha(['node', 'rm', 'mcu-2'])
    await eventually('it has left', async () => {
      const { boards } = await fleet.json<NodeDetail>(['node', 'pi-7'])
      return (
        boards.some(
          ({ id, standing, sections }) => id === 'mcu-2' && standing === 'pending' && sections.length === 0,
        ) || undefined
      )
    })
  } finally {
    await invited.end()
  }
})
