import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { expect, test } from 'vitest'
import { loadManifest, moduleDefaults } from '../../../gateway/push/build/manifest.ts'
import { appOf } from './app-folder.ts'

const head = '[app]\nname = "garden"\n\n'

function refusal(manifest: string): HyphaError & { line: string } {
  const dir = appOf({ 'hypha.toml': manifest })
  try {
    loadManifest(dir)
  } catch (error) {
    if (error instanceof HyphaError) return Object.assign(error, { line: String(error.where).slice(dir.length + 1) })
    throw error
  }
  throw new Error('the manifest was accepted')
}

test('A manifest gives modules with their units and defaults', () => {
  const dir = appOf({
    'hypha.toml': `${head}[module.pump]
source = "src/pump"
timer = "1.5s"
subscribe = ["soil/+", "alarm/#"]
publish = ["water/#"]
heap = "8KiB"
memory = "2MiB"
turn = "250ms"
telemetry-per-s = 5
http = ["api.example.org:443"]
requires = ["zone=north"]
scope = "fleet"
isolate = true
kv = 1024

[module.pump.config]
litres = "3"

[module.plain]
`,
  })
  const manifest = loadManifest(dir)
  expect(manifest).toMatchObject({ name: 'garden', version: '', dir })
  const [pump, plain] = manifest.modules
  expect(pump).toEqual({
    name: 'pump',
    source: join(dir, 'src/pump'),
    heapBytes: 8192,
    spec: {
      timerMs: 1500,
      subscribe: ['soil/+', 'alarm/#'],
      publish: ['water/#'],
      config: { litres: '3' },
      limits: {
        memoryBytes: 2 ** 21,
        turnMs: 250,
        telemetryPerS: 5,
        messagesPerS: moduleDefaults.messagesPerS,
        kvBytes: 1024,
      },
      isolate: true,
      fleetScope: true,
      requires: ['zone=north'],
      httpHosts: ['api.example.org:443'],
      links: null,
      offline: null,
    },
  })
  expect(plain).toMatchObject({ source: join(dir, 'plain'), heapBytes: moduleDefaults.heapBytes })
  expect(plain?.spec).toMatchObject({ timerMs: null, config: {}, isolate: false, fleetScope: false })
})

test('An unknown key is refused with its line and the key that was meant', () => {
  const error = refusal(`${head}[module.pump]\ntimer = "1s"\nsubscibe = ["a"]\n`)
  expect(error).toMatchObject({ code: 'manifest-invalid', line: 'hypha.toml:6', mend: 'Did you mean "subscribe"?' })
  expect(error.message).toBe('[module.pump] subscibe: this key is unknown')
})

test('An unknown table is refused with the tables that there are', () => {
  expect(refusal(`${head}[modules.pump]\n`)).toMatchObject({
    message: '[modules]: this key is unknown',
    mend: 'Did you mean "module"?',
  })
})

test.each([
  ['timer = 5', 'hypha.toml:5', /5 is no duration/],
  ['timer = "5 weeks"', 'hypha.toml:5', /is no duration/],
  ['timer = "99d"', 'hypha.toml:5', /outside 1 to 2678400000 milliseconds/],
  ['heap = "1GiB"', 'hypha.toml:5', /is no size/],
  ['heap = "999MiB"', 'hypha.toml:5', /outside/],
  ['kv = 1.5', 'hypha.toml:5', /no whole number/],
  ['telemetry-per-s = -1', 'hypha.toml:5', /outside 0 to 1000000/],
  ['subscribe = "a"', 'hypha.toml:5', /is no list/],
  ['subscribe = ["a/#/b"]', 'hypha.toml:5', /not a topic filter/],
  ['subscribe = ["a", "a"]', 'hypha.toml:5', /stands twice/],
  ['isolate = "yes"', 'hypha.toml:5', /neither true nor false/],
  ['scope = "site"', 'hypha.toml:5', /"fleet", the only scope/],
  ['http = ["example.org"]', 'hypha.toml:5', /a host with its port/],
  ['source = "../../etc"', 'hypha.toml:5', /outside the app's folder/],
  ['config = { a = 1 }', 'hypha.toml:5', /settings are strings/],
])('%s is refused where it stands', (line, where, message) => {
  const error = refusal(`${head}[module.pump]\n${line}\n`)
  expect(error.line).toBe(where)
  expect(error.message).toMatch(message)
})

test('What is no TOML is refused with line and column', () => {
  expect(refusal('[app]\nname = garden\n')).toMatchObject({ code: 'manifest-invalid', line: 'hypha.toml:2:8' })
})

test('An app without a name, and an app without modules, are refused', () => {
  expect(refusal('[app]\n[module.a]\n').message).toBe('[app] name: it is missing')
  expect(refusal(head).message).toBe('[module]: it is missing')
})

test('A module by a name that can not be one is refused', () => {
  expect(refusal(`${head}[module.Pump]\n`).message).toMatch(/must be 1 to 40 characters/)
})

test('A folder without a manifest is no app', () => {
  expect(() => loadManifest(appOf({}))).toThrow(expect.objectContaining({ code: 'manifest-missing' }))
})
