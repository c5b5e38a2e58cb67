import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NodeDetail } from '../../gateway/admin/api/schemas/nodes.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import {
  allHandled,
  detailOf,
  eventsOf,
  handledOf,
  holderOf,
  pushTally,
  turnsMissing,
  World,
} from './escalation-support.ts'
import { ask, type EventLine, eventOf } from './support.ts'

// Each cause of climbing on a device of its own, all in one fleet at the same time. What is bound to the device stays there, what isn't goes to the edge and comes home when the cause has gone, and no input is lost or handled
// twice by any of it.

const app = 'garden'
let fleet: Fleet
const worlds = new Map<string, World>()
const world = (node: string): World => worlds.get(node)!
/** Of the app of the same name. */
let stubborn: World

/** Processors and memory of the machine that tests run on are busy: only what a test sets counts. */
const unwatched = (...vitals: readonly string[]) => vitals.map((name) => `\n[vital.${name}]\nwatch = false\n`).join('')

const nodeFile = (node: string, memory: string, vitals: string): string =>
  `memory = "${memory}"\n${world(node).bindings}${vitals}`

const addDevice = (node: string, memory: string, vitals: string) =>
  fleet.addNode(node, { nodeFile: nodeFile(node, memory, vitals) })

/** The agent's owner has written another `agent.toml`, and starts it again. */
async function restart(node: string, memory: string, vitals: string): Promise<void> {
  await fleet.agents.get(node)!.end()
  fleet.writeNodeFile(node, nodeFile(node, memory, vitals))
  await fleet.startAgent(node)
}

const lastEvent = async (): Promise<number> => (await eventsOf(fleet, app, 'handed-over')).at(-1)?.id ?? 0

/** The tally of a device has come from one node to another since an event; answers what was said of it. */
const moved = (home: string, from: string, to: string, after: number): Promise<EventLine> =>
  eventually(`tally@${home} to come from ${from} to ${to}`, async () =>
    (await eventsOf(fleet, app, 'handed-over', after)).find(({ text }) =>
      text.startsWith(`${app}/tally@${home} moved from ${from} to ${to}`),
    ),
  )

/** The device's own modules are still there, and are told of each input. */
async function boundStay(home: string): Promise<void> {
  const { where } = await detailOf(fleet, app)
  const nodes = where.filter((each) => each.home === home).map(({ module, node }) => `${module} on ${node}`)
  expect(nodes.sort()).toEqual([`speaker on ${home}`, 'tally on edge', `valve on ${home}`])
  await world(home).pumpsOn()
}

function expectOnceEach(handled: readonly { number: number }[]): void {
  const numbers = handled.map(({ number }) => number).sort((a, b) => a - b)
  expect(numbers).toEqual(numbers.map((_, index) => index + 1))
}

beforeAll(async () => {
  fleet = await Fleet.start({ name: 'garden', edge: true })
  await fleet.gateway!.end()
  // What climbs comes home within seconds, so that the test need not wait.
  appendFileSync(
    join(fleet.folder, 'hypha/fleet.toml'),
    '\n[escalation]\nhold = "15s"\nvital-hold = "2s"\nmax-hold = "30s"\ncalm = "8s"\nsettle = "1s"\n',
  )
  await fleet.startGateway(true)
  const none = unwatched('free-memory', 'cpu')
  for (const node of ['pi-memory', 'pi-deadline', 'pi-quota', 'pi-battery', 'pi-small'])
    worlds.set(node, new World(fleet, node, app))
  stubborn = new World(fleet, 'pi-quota', 'stubborn')
  world('pi-battery').set('battery', 90)
  await Promise.all([
    ...['pi-memory', 'pi-deadline'].map((node) => addDevice(node, '1MiB', none)),
    addDevice('pi-quota', '1MiB', `${stubborn.bindings}${none}`),
    addDevice('pi-battery', '1MiB', `\n${battery()}${none}`),
    // Room for two modules of its three.
    addDevice('pi-small', '128KiB', none),
  ])
  await fleet.hypha(['node', 'label', 'pi-quota', 'stubborn'])
  await Promise.all([pushTally(fleet, app), pushTally(fleet, 'stubborn', 'stubborn')])
  for (const home of worlds.keys()) {
    await eventually(`numbers of ${home}`, () => handledOf(fleet, app, home).length > 5 || undefined)
  }
})
afterAll(() => fleet.stop())

const batteryOf = async (node: string): Promise<number | undefined> =>
  (await ask<NodeDetail>(fleet, `/v1/nodes/${node}`)).vitals.find(({ name }) => name === 'battery')?.value

const battery = (): string => `
[vital.battery]
driver = "sysfs"
path = "${world('pi-battery').path('battery')}"
min = 25
clear = 40
for = "1s"
`

/** A fault that lasts until the device has let go of its tally. Answers the last event before. */
async function climbsForFault(home: string, mode: number, why: RegExp): Promise<number> {
  const since = await lastEvent()
  world(home).set('mode', mode)
  await eventOf(fleet, app, 'escalated', new RegExp(`tally@${home} may not be on ${home} for now: ${why.source}`))
  await eventually(`${home} to let go`, () => holderOf(fleet, app, home) === 'edge' || undefined)
  const failing = await world(home).pumped()
  world(home).set('mode', 0)
  await moved(home, home, 'edge', since)
  await boundStay(home)
  // What it failed at was not given up: it was handled where the instance went.
  const handled = await eventually(`input ${failing} of ${home}`, () =>
    handledOf(fleet, app, home).find(({ number }) => number === failing),
  )
  expect(handled.node).toBe('edge')
  return since
}

describe.concurrent('A tally climbs and comes home', () => {
  test('whose turns take all its memory', async () => {
    const home = 'pi-memory'
    const since = await climbsForFault(home, 1, /trapped 3 times in \d+ s for want of memory on pi-memory/)
    expect(await fleet.hypha(['why-not', 'tally', home, '--of', home, '--app', app])).toMatch(/can't hold it: trapped/)
    expect(await fleet.hypha(['app', app])).toMatch(/tally@pi-memory +pi-memory +edge .*trapped/)
    await eventOf(fleet, app, 'come-home', /tally@pi-memory .*it is tried on pi-memory again/)
    await moved(home, 'edge', home, since)
  })

  test('whose turns overrun their deadline, home when its operator says so', async () => {
    const home = 'pi-deadline'
    const since = await climbsForFault(home, 2, /overran the deadline of its turn 3 times/)
    await fleet.hypha(['come-home', app, 'tally', '--of', home])
    await moved(home, 'edge', home, since)
    await eventOf(fleet, app, 'come-home', /tally@pi-deadline .*an operator says so/)
  })

  test('that is over its rates', async () => {
    const since = await lastEvent()
    world('pi-quota').set('mode', 3)
    await eventOf(fleet, app, 'escalated', /tally@pi-quota .*was told 5 times in \d+ s that it is over its rates/)
    world('pi-quota').set('mode', 0)
    expect((await moved('pi-quota', 'pi-quota', 'edge', since)).text).toMatch(/ 0 turns lost/)
    await boundStay('pi-quota')
    await moved('pi-quota', 'edge', 'pi-quota', since)
  })

  test('whose device has little battery left, and not while that comes and goes', async () => {
    const since = await lastEvent()
    const home = 'pi-battery'
    world(home).set('battery', 12)
    await eventOf(fleet, app, 'escalated', /pi-battery has 12 % of its battery left, below 25 %/)
    expect((await moved(home, home, 'edge', since)).text).toMatch(/ 0 turns lost/)
    await boundStay(home)
    for (const level of [90, 12, 90, 12, 90, 30, 90, 12]) {
      world(home).set('battery', level)
      await eventually(`a battery at ${level} %`, async () => (await batteryOf(home)) === level || undefined)
    }
    expect(
      await eventsOf(fleet, app, 'handed-over', since).then((all) => all.filter(({ text }) => text.includes(home))),
    ).toHaveLength(1)
    world(home).set('battery', 90)
    expect((await moved(home, 'edge', home, since)).text).toMatch(/ 0 turns lost/)
  })

  test('that its device never had room for, and whose device is short of memory or time for a while', async () => {
    const since = await lastEvent()
    const home = 'pi-small'
    await boundStay(home)
    expect(await fleet.hypha(['why', 'tally', '--of', home, '--app', app])).toMatch(
      /needs \d+ KiB of memory, pi-small has \d+ (KiB )?left of 128 KiB: placed on edge/,
    )
    await restart(home, '1MiB', unwatched('free-memory', 'cpu'))
    await moved(home, 'edge', home, since)
    for (const [vital, cause] of [
      ['[vital.free-memory]\nmin = "4096GiB"\nfor = "1s"\n', /pi-small has .* of memory free, below 4194304 MiB/],
      ['[vital.cpu]\nmax = 0\nfor = "1s"\n', /pi-small is busy for \d+ % of its time, above 0 %/],
    ] as const) {
      const before = await lastEvent()
      await restart(home, '1MiB', `\n${vital}${unwatched(vital.includes('cpu') ? 'free-memory' : 'cpu')}`)
      await eventOf(fleet, app, 'escalated', cause)
      expect((await moved(home, home, 'edge', before)).text).toMatch(/ 0 turns lost/)
      await boundStay(home)
      await restart(
        home,
        '1MiB',
        '\n[vital.free-memory]\nmin = "1MiB"\nclear = "1MiB"\n\n[vital.cpu]\nmax = 100\nclear = 100\n',
      )
      await moved(home, 'edge', home, before)
    }
  })

  test('and stays where it is when nothing else can hold it, and its app says so', async () => {
    stubborn.set('mode', 1)
    await eventOf(fleet, 'stubborn', 'escalated', /tally@pi-quota stays on edge: nothing else can hold it: /)
    for (const said of [await fleet.hypha(['app', 'stubborn']), await fleet.hypha(['status'])]) {
      expect(said.replaceAll(/\s+/g, ' ')).toMatch(/nothing else can hold it: .*trapped 3 times/)
    }
    stubborn.set('mode', 0)
  })
})

test('A gateway that is killed with its edge leaves what has climbed where it is, and it comes home as before.', async () => {
  const home = 'pi-battery'
  const since = await lastEvent()
  world(home).set('battery', 12)
  await moved(home, home, 'edge', since)
  await fleet.gateway!.end('SIGKILL')
  await fleet.startGateway(true)
  // The second time in a row.
  expect((await detailOf(fleet, app)).escalations).toMatchObject([
    { module: 'tally', home, cause: 'battery', times: 2 },
  ])
  await boundStay(home)
  world(home).set('battery', 90)
  await moved(home, 'edge', home, since)
})

test('Nothing that was said was lost by all that, nor handled twice, and what the counts lack is what events say of it', async () => {
  let missing = 0
  for (const home of worlds.keys()) {
    const handled = await allHandled(fleet, app, home)
    expectOnceEach(handled)
    missing += turnsMissing(handled)
  }
  expectOnceEach(await allHandled(fleet, 'stubborn', 'pi-quota'))
  expect(await eventsOf(fleet, app, 'input-failed')).toEqual([])
  const told = [...(await eventsOf(fleet, app, 'trapped')), ...(await eventsOf(fleet, app, 'deadline'))]
  const said = told.map(({ text }) => Number(/the state goes back (\d+) turns/.exec(text)?.[1] ?? 0))
  expect(missing).toBeLessThanOrEqual(said.reduce((sum, turns) => sum + turns, 0))
})
