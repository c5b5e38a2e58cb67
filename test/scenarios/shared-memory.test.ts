import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet } from '../support/fleet.ts'
import { lastValue, steadySensor, writeApp } from './support.ts'

// A device has room for three modules of 64 KiB, and two apps of two modules each are pushed.

const sampler = `
import { read } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";
import { add } from "pair/math/smooth";
export function tick(nowMs: u64): void {
  const reading = read("load");
  if (reading.isOk) emit("smoothed", add(reading.value));
}
`
const smooth = `
export function smooth$add(value: f64): f64 { return value; }
`
const wit = 'package pair:math@0.1.0;\ninterface smooth { add: func(value: f64) -> f64; }\n'

let fleet: Fleet

const push = async (app: string): Promise<string> => {
  const folder = writeApp(fleet, app, '[module.sampler]\ntimer = "200ms"\nturn = "3s"\n\n[module.smooth]\n', {
    sampler,
    smooth,
  })
  mkdirSync(join(folder, 'wit'), { recursive: true })
  writeFileSync(join(folder, 'wit/math.wit'), wit)
  await fleet.hypha(['push', folder])
  return folder
}

beforeAll(async () => {
  fleet = await Fleet.start({ name: 'garden', edge: true })
  await fleet.addNode('pi-1', { nodeFile: `memory = "192KiB"\n${steadySensor}` })
})
afterAll(() => fleet.stop())

const placeOf = async (app: string, module: string): Promise<string> => {
  const { instances } = await fleet.json<{ instances: { module: string; node: string }[] }>(['plan', '--app', app])
  return instances.find((each) => each.module === module)!.node
}

test('What the first app leaves of a device’s memory is what the second one has: its module goes a tier up, and its values come from there.', async () => {
  await push('first')
  expect(await placeOf('first', 'smooth')).toBe('pi-1')
  await push('second')
  expect(await placeOf('second', 'sampler')).toBe('pi-1')
  expect(await placeOf('second', 'smooth')).toBe('edge')
  expect(await fleet.hypha(['why', 'smooth', '--app', 'second'])).toMatch(
    /needs 64 KiB of memory, pi-1 has 0 left of 192 KiB/,
  )
  await lastValue(fleet, { app: 'second', metric: 'smoothed' })
})

test('When the first app is gone, it comes home to the device.', async () => {
  await fleet.hypha(['app', 'rm', 'first'])
  expect(await placeOf('second', 'smooth')).toBe('pi-1')
  const moved = Date.now()
  await lastValue(fleet, { app: 'second', metric: 'smoothed' }, ({ at }) => at > moved)
})
