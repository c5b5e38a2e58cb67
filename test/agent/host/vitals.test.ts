import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { DriverPorts } from '../../../agent/host/drivers/drivers.ts'
import { openVitals } from '../../../agent/host/drivers/vitals.ts'
import { boundPaths, needsHelper, parseNodeFile } from '../../../agent/host/node-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'

function opened(text: string) {
  const notes: string[] = []
  const ports: DriverPorts = {
    home: '/nowhere',
    clock: new FakeClock(),
    helper: null,
    subscribe: null,
    note: (line) => void notes.push(line),
  }
  return { ...openVitals(parseNodeFile(text), ports), notes }
}

test('A node tells what its machine has free of itself, with bounds of its own', async () => {
  const vitals = opened('')
  await vitals.read()
  const { freeMemory } = await vitals.read()
  expect(freeMemory!.value).toBeGreaterThan(0)
  expect(freeMemory!.clear).toBeGreaterThan(freeMemory!.bound)
  expect(freeMemory!.forMs).toBe(60_000)
})

test('Its file says where a vital is read, what is too little of it, and which is not told', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-vitals-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'level')
  writeFileSync(file, '125\n')
  const vitals = opened(`[vital.battery]
driver = "sysfs"
path = "${file}"
scale = 0.1
min = 15
clear = 25
for = "2s"
[vital.free-memory]
watch = false
[vital.cpu]
driver = "sysfs"
path = "${folder}/nothing"
max = 50`)
  const reading = { value: 12.5, bound: 15, clear: 25, forMs: 2_000 }
  expect(await vitals.read()).toEqual({ battery: reading, freeMemory: null, cpu: null })
  await vitals.read()
  expect(vitals.notes).toHaveLength(1)
  expect(vitals.notes[0]).toMatch(/^vital cpu: .*nothing can't be read/)
  writeFileSync(file, 'full')
  expect((await vitals.read()).battery).toBeNull()
})

test('A second bound that is left out is on the right side of the first', async () => {
  const { freeMemory } = await opened('[vital.free-memory]\nmin = "900GiB"').read()
  expect(freeMemory).toMatchObject({ bound: 900 * 1024 ** 3, clear: 900 * 1024 ** 3 })
})

test('What it reads and runs for its vitals is in its permissions, and in its helper', () => {
  expect(boundPaths(parseNodeFile('[vital.cpu]\ndriver = "sysfs"\npath = "/run/load"')).read).toEqual(['/run/load'])
  expect(needsHelper(parseNodeFile('[vital.battery]\ndriver = "command"\nargv = ["ups", "level"]'))).toBe(true)
})

test.each([
  ['[vital.fuel]\nmin = 2', 'vital.fuel is not known here'],
  ['[vital.battery]\nmin = 120', 'vital.battery.min should be a percentage from 0 to 100'],
  ['[vital.battery]\nmin = 20\nclear = 10', 'vital.battery.clear is on the wrong side of min'],
  ['[vital.cpu]\nmax = 70\nclear = 80', 'vital.cpu.clear is on the wrong side of max'],
  ['[vital.cpu]\nmin = 70', 'vital.cpu.min is not known here'],
  ['[vital.free-memory]\nmin = 5', 'should be a text in quotes'],
  ['[vital.cpu]\nfor = "25h"', 'vital.cpu.for is more than a day'],
])('%j is refused', (text, message) => {
  expect(() => parseNodeFile(text)).toThrow(message)
})
