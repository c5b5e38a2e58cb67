import { HyphaError } from '@hypha/core/errors.ts'
import { expect, test } from 'vitest'
import { loadManifest } from '../../../gateway/push/build/manifest.ts'
import { appOf } from './app-folder.ts'

const head = '[app]\nname = "garden"\n\n[module.smooth]\n\n'

const rolloutOf = (text: string) => loadManifest(appOf({ 'hypha.toml': head + text })).rollout

function refusal(text: string): { message: string; line: string; mend: string } {
  const dir = appOf({ 'hypha.toml': head + text })
  try {
    loadManifest(dir)
  } catch (error) {
    if (!(error instanceof HyphaError)) throw error
    expect(error.code).toBe('manifest-invalid')
    return { message: error.message, mend: error.mend, line: String(error.where).slice(dir.length + 1) }
  }
  throw new Error('the manifest was accepted')
}

test('A manifest without a rollout leaves it to the gateway', () => {
  expect(rolloutOf('')).toBeNull()
})

test('An empty rollout leaves every number to the gateway', () => {
  expect(rolloutOf('[rollout]\n')).toEqual({
    waves: null,
    successPercent: null,
    failurePercent: null,
    soakMs: null,
    prepareMs: null,
    approve: false,
    rollback: true,
    windows: [],
    health: [],
  })
})

test('A rollout has waves, thresholds, times, windows and bounds', () => {
  const text = `[rollout]
waves = ["label:canary", "10%", "100%"]
success = "95%"
failure = "5%"
soak = "30s"
prepare = "10min"
approve = true
rollback = false

[[rollout.window]]
label = "metered"
days = ["mon", "fri"]
from = "22:30"
to = "05:00"
zone = "Europe/Berlin"

[[rollout.window]]
from = "00:00"
to = "24:00"

[[rollout.health]]
module = "smooth"
metric = "value"
min = 0
max = 99.5
`
  expect(rolloutOf(text)).toEqual({
    waves: [
      { kind: 'label', label: 'canary' },
      { kind: 'share', percent: 10 },
      { kind: 'share', percent: 100 },
    ],
    successPercent: 95,
    failurePercent: 5,
    soakMs: 30_000,
    prepareMs: 600_000,
    approve: true,
    rollback: false,
    windows: [
      { label: 'metered', days: [1, 5], fromMinute: 1_350, toMinute: 300, zone: 'Europe/Berlin' },
      { label: null, days: [0, 1, 2, 3, 4, 5, 6], fromMinute: 0, toMinute: 1_440, zone: 'UTC' },
    ],
    health: [{ module: 'smooth', metric: 'value', min: 0, max: 99.5 }],
  })
})

test.each([
  ['[rollout]\nwave = ["10%"]', /key is unknown/, 7],
  ['[rollout]\nwaves = []', /none in it/, 7],
  ['[rollout]\nwaves = ["50%", "10%"]', /10% follows one of 50%: waves must rise/, 7],
  ['[rollout]\nwaves = ["100%", "label:rest"]', /wave 2 follows one that has every node already/, 7],
  ['[rollout]\nwaves = ["0%"]', /no share from 1% to 100%/, 7],
  ['[rollout]\nwaves = ["half"]', /a share of the fleet such as "10%"/, 7],
  ['[rollout]\nwaves = ["10%", "10%"]', /stands twice/, 7],
  ['[rollout]\n\nsuccess = 95', /95 is no share/, 8],
  ['[rollout]\nfailure = "101%"', /no share from 0% to 100%/, 7],
  ['[rollout]\nsoak = "soon"', /no duration/, 7],
  ['[rollout]\nprepare = "0s"', /outside 1 to/, 7],
  ['[rollout]\napprove = "yes"', /neither true nor false/, 7],
  ['[rollout]\nwindow = 3', /must be a list of tables/, 7],
  ['[[rollout.window]]\nfrom = "02:00"', /a window needs it/, 6],
  ['[[rollout.window]]\nfrom = "2"\nto = "03:00"', /"2" is no time of the day/, 7],
  ['[[rollout.window]]\nfrom = "02:00"\nto = "02:00"', /closes at the minute at which it opens/, 6],
  ['[[rollout.window]]\ndays = ["monday"]\nfrom = "02:00"\nto = "03:00"', /1 to 3 characters/, 7],
  ['[[rollout.window]]\ndays = []\nfrom = "02:00"\nto = "03:00"', /open on no day/, 7],
  ['[[rollout.health]]\nmodule = "smoth"\nmetric = "value"\nmin = 0', /no module "smoth"/, 7],
  ['[[rollout.health]]\nmodule = "smooth"\nmetric = "value"', /neither a least nor a greatest/, 8],
  ['[[rollout.health]]\nmodule = "smooth"\nmetric = "value"\nmin = 2\nmax = 1', /at least 2 and at most 1/, 8],
  ['[[rollout.health]]\nmodule = "smooth"\nmetric = "value"\nmin = nan', /null is no number|NaN is no number/, 9],
])('What a rollout can not have is refused with its line: %j', (text, message, line) => {
  const refused = refusal(text)
  expect(refused.message).toMatch(message)
  expect(refused.line).toBe(`hypha.toml:${line}`)
})

test('A mistake in the second of two windows has the second’s line', () => {
  const window = '[[rollout.window]]\nfrom = "02:00"\nto = "03:00"\n'
  const { line, message, mend } = refusal(`${window}\n${window}zone = "Europe/Atlantis"\n`)
  expect(line).toBe('hypha.toml:13')
  expect(message).toMatch(/"Europe\/Atlantis" is no time zone/)
  expect(mend).toMatch(/Europe\/Berlin/)
})
