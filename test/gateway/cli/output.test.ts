import fc from 'fast-check'
import { expect, test } from 'vitest'
import { planTree, refusalTree } from '../../../gateway/admin/cli/plan-tree.ts'
import {
  formatBytes,
  inLocalTime,
  listing,
  printable,
  printableLines,
  sparkline,
  table,
} from '../../../gateway/admin/cli/table.ts'
import type { Plan } from '../../../gateway/plan.ts'

const devices = Array.from({ length: 100 }, (_, index) => `pi-${index}`)
const plan: Plan = {
  app: 'greenhouse',
  release: 4,
  digest: 'ab'.repeat(32),
  instances: [
    ...devices.map((node) => ({
      module: 'sampler',
      home: node,
      node,
      scope: 'device' as const,
      form: 'core' as const,
      cost: 20,
      memoryBytes: 65_536,
      why: ['its home provides all that it imports'],
      links: [
        {
          interface: 'acme:x/tell@0.1.0',
          provider: { kind: 'instance' as const, node: 'cloud-1', module: 'report', home: null },
          cost: 20,
        },
      ],
    })),
    {
      module: 'report',
      home: null,
      node: 'cloud-1',
      scope: 'site',
      form: 'core',
      cost: 0,
      memoryBytes: 1_048_576,
      why: ['cloud-1 is the only node that can hold it'],
      links: [],
    },
  ],
  kinds: [devices, ['cloud-1']],
  refusals: [
    {
      module: 'report',
      scope: 'site',
      refused: [
        {
          kinds: [[0, 0]],
          nodes: [],
          reasons: [{ code: 'interface-missing', text: 'imports http, which pi-0 (and 99 more) does not provide' }],
        },
      ],
    },
  ],
  traffic: [
    {
      caller: 'sampler',
      callee: 'report',
      interface: 'acme:x/tell@0.1.0',
      callsPerS: 2,
      bytesPerCall: 256,
      source: 'hint',
    },
  ],
  unplaced: [],
  complete: true,
}
const tiers = new Map([...devices.map((id) => [id, 'device'] as const), ['cloud-1', 'cloud'] as const])

test('a plan for a hundred devices is as short as for one, and names what differs', () => {
  expect(planTree(plan, tiers, 80)).toBe(`greenhouse, release 4
├─ cloud
│  └─ cloud-1
│     └─ report · shared · 1 MiB
│        cloud-1 is the only node that can hold it
└─ device
   └─ pi-0, pi-1, pi-2 and 97 more
      └─ sampler · its own · 64 KiB · links cost 20
         its home provides all that it imports
         → report on cloud-1 · 2/s by hypha.toml · cost 20`)
  expect(refusalTree(plan, 80)).toBe(`fits nowhere else, because
└─ report
   pi-0, pi-1, pi-10 and 97 more: imports http, which pi-0 (and 99 more) does
     not provide`)
})

test('a table fits any width that leaves its columns something, and nothing in it steers a terminal', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', 'Z', ' ', '\n', '\x1b', '\x9b'), maxLength: 60 })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(cell, cell, cell), { maxLength: 8 }),
      fc.integer({ min: 30, max: 120 }),
      (rows, width) => {
        const columns = [0, 1, 2].map((index) => ({
          heading: 'H',
          text: (row: string[]) => row[index]!,
          right: index === 1,
        }))
        const lines = table(columns, rows, width).split('\n')
        expect(lines).toHaveLength(rows.length + 1)
        for (const line of lines) {
          expect(line.length).toBeLessThanOrEqual(width)
          expect(line).toBe(printable(line))
        }
      },
    ),
  )
})

test('what a label or a file says hides nothing of what whoever signs it looks at', () => {
  for (const steering of ['\x1b[2J', '\r', '\x9b2K', '\u202e', '\u2066', '\u200b', '\u2028', '\ufeff'])
    expect(printableLines(`first ${steering} line\nsecond`)).toMatch(/^first [ -~]* line\nsecond$/)
  expect(printableLines('Ein Gewächshaus, 温室, 🌱')).toBe('Ein Gewächshaus, 温室, 🌱')
})

test('a listing goes on below its values', () => {
  expect(
    listing(
      [
        ['node', 'pi-7'],
        ['labels', 'a=1 b=2 c=3 d=4'],
      ],
      16,
    ),
  ).toBe(`node    pi-7
labels  a=1 b=2
        c=3 d=4`)
})

test('bars show the shape of values, and gaps where there are none', () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe('▁▂▃▄▅▆▇█')
  expect(sparkline([1, null, 3])).toBe('▁ █')
  expect(sparkline([5, 5])).toBe('▄▄')
  expect(sparkline([null])).toBe('')
  expect(
    sparkline(
      Array.from({ length: 1_000 }, (_, index) => index),
      10,
    ),
  ).toHaveLength(10)
})

test.each([
  [0, '0 B'],
  [1_023, '1023 B'],
  [1_024, '1 KiB'],
  [1_536, '1.5 KiB'],
  [64 * 1_024 ** 2, '64 MiB'],
])('%d bytes are written as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test('a table that does not fit cuts what is still of use in part, and names and times last', () => {
  const rows = [{ name: 'greenhouse-of-the-north@12', when: '2026-11-23 05:01:04', what: 'x'.repeat(60) }]
  const columns = [
    { heading: 'RELEASE', text: (row: (typeof rows)[0]) => row.name, whole: true },
    { heading: 'WHEN', text: (row: (typeof rows)[0]) => row.when, whole: true },
    { heading: 'WHAT', text: (row: (typeof rows)[0]) => row.what },
  ]
  expect(table(columns, rows, 60).split('\n')[1]).toBe('greenhouse-of-the-north@12  2026-11-23 05:01:04  xxxxxxxxxx…')
  for (const line of table(columns, rows, 40).split('\n')) expect(line.length).toBeLessThanOrEqual(40)
})

test('an instant within a sentence is told in local time, and of today without its day', () => {
  const now = Date.parse('2026-11-23T12:00:00.000Z')
  const soon = new Date(now + 60_000).toLocaleString('sv-SE')
  expect(inLocalTime('waits for pi-1, until 2026-11-23T12:01:00.000Z', now)).toBe(
    `waits for pi-1, until ${soon.slice(11)}`,
  )
  const later = new Date(now + 7 * 86_400_000).toLocaleString('sv-SE')
  expect(inLocalTime('paused until 2026-11-30T12:00:00.000Z.', now)).toBe(`paused until ${later}.`)
})
