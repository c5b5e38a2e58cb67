import { HyphaError } from '@hypha/core/errors.ts'
import { expect, test } from 'vitest'
import { loadManifest } from '../../../gateway/push/build/manifest.ts'
import { appOf } from './app-folder.ts'

const head = '[app]\nname = "garden"\n[module.smooth]\n'

const linksOf = (tables: string) => loadManifest(appOf({ 'hypha.toml': `${head}${tables}` })).modules[0]!.spec.links

function refusal(tables: string): HyphaError {
  try {
    linksOf(tables)
  } catch (error) {
    if (error instanceof HyphaError) return error
    throw error
  }
  throw new Error('the manifest was accepted')
}

test('A link needs no word', () => {
  expect(linksOf('')).toBeNull()
})

test('A hint says what of a link is known, in units, and leaves the rest open', () => {
  const links = linksOf(`[module.smooth.link."garden:plants/advice"]
policy = "last-value"
deadline = "500ms"
rate = "30/min"
bytes = "1KiB"

[module.smooth.link."garden:plants/water@1.2.0"]
rate = "2/s"
`)
  expect(links).toEqual([
    {
      interface: 'garden:plants/advice',
      policy: 'last-value',
      deadlineMs: 500,
      ratePerS: 0.5,
      bytesPerCall: 1024,
    },
    { interface: 'garden:plants/water@1.2.0', policy: null, deadlineMs: null, ratePerS: 2, bytesPerCall: null },
  ])
})

test.each([
  ['policy = "hope"', /"hope" is none of retry, drop, last-value/],
  ['deadline = "11min"', /660000 is outside 1 to 600000 milliseconds/],
  ['rate = 5', /5 is no rate/],
  ['rate = "5/week"', /is no rate/],
  ['rate = "0/s"', /not more than 0/],
  ['rate = "2000000/s"', /up to 1000000/],
  ['bytes = "1MiB"', /outside 0 to 98304 bytes/],
  ['polcy = "retry"', /polcy: this key is unknown/],
])('%s is refused with its line', (line, message) => {
  const error = refusal(`[module.smooth.link."garden:plants/advice"]\n${line}\n`)
  expect(error.message).toMatch(message)
  expect(error.message).toContain('[module.smooth.link.garden:plants/advice]')
  expect(error.where).toMatch(/hypha\.toml:5$/)
})

test('A table that is not named after an interface is refused', () => {
  expect(refusal('[module.smooth.link.advice]\nrate = "1/s"\n').message).toMatch(
    /"advice" is not an interface such as "greenhouse:plants\/advice"/,
  )
})
