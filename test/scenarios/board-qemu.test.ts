import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { PushAnswer } from '../../gateway/admin/api/schemas/apps.ts'
import type { HistoryAnswer } from '../../gateway/admin/api/schemas/data.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { startNodeAtPort, untilNode } from './board-support.ts'
import { ask, greenhouse, lastValue, Stranger } from './support.ts'

// The image that goes on a Cortex-M3 with 64 KB of RAM, in an emulator whose serial port is a pseudo-terminal: the bridge opens it as any other, and nothing in the greenhouse app says where to run.

let fleet: Fleet
let board: Stranger | null = null
let app: string

beforeAll(async () => {
  fleet = await Fleet.start({ edge: true })
  mkdirSync(join(fleet.folder, 'ports'))
  app = join(fleet.folder, 'greenhouse')
  cpSync(greenhouse, app, { recursive: true })
  const image = join(fleet.folder, 'mcu-1.elf')
  await fleet.hypha(['mcu', 'build', '--board', 'lm3s6965evb', '--id', 'mcu-1', '-o', image])
  const quiet = ['-display', 'none', '-monitor', 'none', '-serial', 'pty']
  board = new Stranger('qemu-system-arm', ['-M', 'lm3s6965evb', ...quiet, '-kernel', image])
  const path = await eventually('the emulator names its port', () => /(\/dev\/\S+)/.exec(board!.out + board!.err)?.[1])
  symlinkSync(path, join(fleet.folder, 'ports/ttyUSB0'))
  await fleet.joinNode('pi-7')
  await startNodeAtPort(fleet, 'pi-7', 'ttyUSB*')
}, 240_000)
afterAll(async () => {
  await board?.end()
  await fleet.stop()
})

const placeOf = ({ plan }: PushAnswer) =>
  plan.instances.find(({ module, home }) => module === 'sampler' && home === 'mcu-1')

const points = async (metric: string) => {
  const of = { app: 'greenhouse', module: 'sampler', metric, home: 'mcu-1', limit: '100000' }
  return (await ask<HistoryAnswer>(fleet, '/v1/values/history', of)).points
}

/** The events that would tell of something lost. */
const gaps = async () =>
  (await ask<{ code: string }[]>(fleet, '/v1/events', { node: 'mcu-1' })).filter(({ code }) => code === 'gap')

/** Changes the sampler, as its author would. */
function edit(file: string, change: (text: string) => string): void {
  const path = join(app, file)
  writeFileSync(path, change(readFileSync(path, 'utf8')))
}

it('The greenhouse runs its sampler on the board, is edited, and outgrows it', { timeout: 400_000 }, async () => {
  await untilNode(fleet, 'pi-7', 'sees its board', ({ boards }) => boards.length > 0)
  await fleet.hypha(['accept', 'pi-7/mcu-1'])
  await untilNode(fleet, 'mcu-1', 'is online', ({ online }) => online)
  const first = await fleet.json<PushAnswer>(['push', '--no-wait', app])
  expect(placeOf(first)).toMatchObject({ node: 'mcu-1' })
  expect(await lastValue(fleet, { app: 'greenhouse', metric: 'soil' })).toMatchObject({ node: 'mcu-1', home: 'mcu-1' })
  await fleet.reached('greenhouse', 'confirmed')

  edit('sampler/assembly/index.ts', (text) =>
    text.replace('emit(name, reading.value);', 'emit(name, reading.value);\n    emit("edited", 1);'),
  )
  expect(placeOf(await fleet.json<PushAnswer>(['push', '--no-wait', app]))).toMatchObject({ node: 'mcu-1' })
  await lastValue(fleet, { app: 'greenhouse', metric: 'edited' }, ({ node }) => node === 'mcu-1')
  const before = (await points('soil')).length
  await eventually('more values', async () => (await points('soil')).length > before + 3 || undefined)
  expect(await gaps()).toEqual([])

  edit('hypha.toml', (text) => text.replace('heap = "2KiB"', 'heap = "48KiB"'))
  const third = await fleet.json<PushAnswer>(['push', '--no-wait', app])
  expect(placeOf(third)).toMatchObject({ node: 'pi-7', home: 'mcu-1' })
  expect(placeOf(third)!.why.join()).toMatch(/mcu-1 has .*its sensor linked to mcu-1/)
  await lastValue(fleet, { app: 'greenhouse', metric: 'soil' }, ({ node, home }) => node === 'pi-7' && home === 'mcu-1')
})
