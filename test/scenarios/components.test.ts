import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { componentText } from '../support/component-guest.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { wat } from '../support/wasm-guest.ts'
import { lastValue } from './support.ts'

// A module that has no core form, from the push to its values: it runs only where the node's owner allows components.

let fleet: Fleet
let app: string

beforeAll(async () => {
  fleet = await Fleet.start({ name: 'greens' })
  app = join(fleet.folder, 'apps/pair')
  mkdirSync(join(app, 'doubler'), { recursive: true })
  // It reads a sensor and emits twice its value.
  const tick = '(call $read (i32.const 32) (i32.const 4) (i32.const 512)) (call $emit-twice (f64.load (i32.const 520)))'
  writeFileSync(join(app, 'doubler/doubler.wasm'), await wat(componentText({ tick })))
  writeFileSync(
    join(app, 'hypha.toml'),
    '[app]\nname = "pair"\n\n[module.doubler]\ntimer = "200ms"\nsubscribe = ["doubler/#"]\nturn = "5s"\n',
  )
})
afterAll(() => fleet.stop())

function sensorFile(value: number): string {
  const path = join(fleet.folder, 'chip')
  writeFileSync(path, `${value}\n`)
  return `[sensor.chip]\ndriver = "sysfs"\npath = "${path}"\n`
}

/** Processes that run components of a node's helper, which bears the node's folder as its title. */
function componentProcesses(node: string): number[] {
  const processes = readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid)) return []
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      const parent = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[1])
      return [{ pid, parent, command }]
    } catch {
      // It has ended in the meantime.
      return []
    }
  })
  const helper = processes.find(({ command }) => command.startsWith(`hypha-helper ${fleet.agentHome(node)}`))
  return processes
    .filter(({ parent, command }) => parent === helper?.pid && command.endsWith('\0run\0'))
    .map(({ pid }) => pid)
}

test('A component without a core form is refused by name where a node runs none, and runs in a process where one does.', async () => {
  await fleet.addNode('plain', { nodeFile: sensorFile(21) })
  const refused = await fleet.tryHypha(['plan', app])
  expect(refused.stdout + refused.stderr).toContain('has no core form, and plain runs only the form core')

  await fleet.addNode('pi-7', { nodeFile: `components = true\n${sensorFile(21)}` })
  await fleet.hypha(['push', '--no-wait', app])
  expect(await lastValue(fleet, { app: 'pair', metric: 'twice' })).toMatchObject({ home: 'pi-7', value: 42 })
})

test('Its process ends with the agent, however that ends, and another goes on when the agent is back.', async () => {
  const [pid] = await eventually('a process that runs components', () => {
    const found = componentProcesses('pi-7')
    return found.length > 0 ? found : undefined
  })
  await fleet.agents.get('pi-7')!.end('SIGKILL')
  await eventually('the end of the process', () => (existsSync(`/proc/${pid}`) ? undefined : true))
  sensorFile(4)
  await fleet.startAgent('pi-7')
  expect(await lastValue(fleet, { app: 'pair', metric: 'twice' }, ({ value }) => value === 8)).toMatchObject({
    node: 'pi-7',
  })
})
