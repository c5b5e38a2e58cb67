import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PushAnswer } from '../../gateway/admin/api/schemas/apps.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { eventOf, lastValue, steadySensor, writeApp } from './support.ts'

// How a new version comes to a node that runs an older one: as a patch, or whole where there is nothing to apply it to.

/** Numbers that don't compress, so that the module doesn't travel within the directive. */
function noise(count: number, seed: number): string {
  let state = seed
  const numbers = Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state
  })
  return `[${numbers.join(', ')}]`
}

/** `further`: as many bytes as no older version has. */
const version = (number: number, further = 0) => `
import { names } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
const table: StaticArray<u32> = ${noise(8_000, 7)};
const more: StaticArray<u32> = ${noise(1 + further / 4, number)};
export function tick(nowMs: u64): void {
  if (names().length == 0) return;
  emit("sum", <f64>(table[<i32>(nowMs % 8000)] & 1) + <f64>(more[0] & 1));
  emit("version", ${number});
}
`

let fleet: Fleet
/** Number of the newest version. */
let latest = 1

beforeAll(async () => {
  fleet = await Fleet.start()
  await fleet.addNode('pi-1', { nodeFile: steadySensor })
})
afterAll(() => fleet.stop())

const push = (number: number, further = 0) =>
  fleet.json<PushAnswer>([
    'push',
    '--no-wait',
    writeApp(fleet, 'app', '[module.main]\ntimer = "200ms"\n', { main: version(number, further) }),
  ])
const runs = (number: number) => lastValue(fleet, { app: 'app', metric: 'version' }, ({ value }) => value === number)
const data = (...path: string[]) => join(fleet.agentHome('pi-1'), 'data', ...path)
const modules = () =>
  readdirSync(data('contents'))
    .map((name) => data('contents', name))
    .filter((path) => statSync(path).size > 8_000)

/** Each pushes and builds several times. */
const onABusyMachineMs = 180_000

test(
  'A second version comes as a patch of the first: a small part of its bytes',
  async () => {
    const first = await push(1)
    expect(first.travels).toMatchObject([{ module: 'main', encoding: 'brotli', nodes: 1 }])
    expect(first.travels[0]!.sent).toBeGreaterThan(30_000)
    await runs(1)
    await fleet.reached('app', 'confirmed')
    let next: PushAnswer
    do {
      // On a busy machine a push goes on without the patch.
      next = await push(++latest)
      await runs(latest)
      await fleet.reached('app', 'confirmed')
    } while (next.travels[0]!.encoding !== 'patch' && latest < 5)
    expect(next.travels).toMatchObject([{ module: 'main', encoding: 'patch', nodes: 1 }])
    expect(next.travels[0]!.sent).toBeLessThan(500)
    expect(next.travels[0]!.bytes).toBeGreaterThan(32_000)
  },
  onABusyMachineMs,
)

test(
  'A node whose base was damaged on its disk says so, and gets the next version whole',
  async () => {
    for (const path of modules()) writeFileSync(path, 'not what it was')
    const { travels } = await push(++latest)
    if (travels[0]!.encoding === 'patch') await eventOf(fleet, 'app', 'prepare-refused', /patch-base-missing|patch of/)
    await runs(latest)
    await fleet.reached('app', 'confirmed')
  },
  onABusyMachineMs,
)

test(
  'An agent that is killed while a large patch comes goes on with it, and runs what it makes',
  async () => {
    await fleet.agents.get('pi-1')!.end()
    await push(++latest, 70_000)
    // The push may not have waited for it.
    const { travels } = await eventually('there is a patch', async () => {
      await fleet.hypha(['rollback', 'app', `${latest - 1}`, '--no-wait'])
      const again = await fleet.json<PushAnswer>(['rollback', 'app', `${latest}`, '--no-wait'])
      return again.travels[0]?.encoding === 'patch' ? again : undefined
    })
    expect(travels[0]!.sent).toBeGreaterThan(65_536)
    fleet.spawnAgent('pi-1')
    await eventually('the patch begins to come, or is there', async () => {
      return readdirSync(data('partial')).length > 0 || modules().length > 1 || undefined
    })
    await fleet.agents.get('pi-1')!.end('SIGKILL')
    await fleet.startAgent('pi-1')
    await runs(latest)
    await fleet.reached('app', 'confirmed')
  },
  onABusyMachineMs,
)
