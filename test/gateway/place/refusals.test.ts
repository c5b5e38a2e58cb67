import { expect, test } from 'vitest'
import { authorFaults } from '../../../gateway/plan.ts'
import { type ModuleChoices, module, type NodeChoices, node, planOf, reasonsOn, release } from './fleets.ts'

const table: [why: string, is: ModuleChoices, has: NodeChoices, expected: string[]][] = [
  ['what fits', {}, {}, []],
  ['memory', { memoryBytes: 131_072 }, { memoryBytes: 65_536 }, ['needs 128 KiB of memory, n has 64 KiB left']],
  [
    'memory beside other apps',
    { memoryBytes: 131_072 },
    { memoryBytes: 262_144, used: { memoryBytes: 196_608 } },
    ['needs 128 KiB of memory, n has 64 KiB left of 256 KiB'],
  ],
  [
    'memory in whole pages',
    { memoryBytes: 65_537 },
    { memoryBytes: 131_071 },
    ['needs 128 KiB of memory, n has 131,071 bytes left'],
  ],
  [
    'memory by the byte on a microcontroller',
    { memoryBytes: 20_001, endBytes: 20_001 },
    { tier: 'mcu', memoryBytes: 20_000 },
    ['needs 20,001 bytes of memory, n has 20,000 bytes left'],
  ],
  [
    'a whole page on a microcontroller',
    { memoryBytes: 65_536 },
    { tier: 'mcu', memoryBytes: 20_000 },
    [
      "needs 64 KiB of memory, n has 20,000 bytes left; below a page of 64 KiB fits only a module that exports hypha_memory_end, which the SDK's allocators do",
    ],
  ],
  [
    'storage, with what kv may keep',
    { imports: ['kv'], kvBytes: 100_000, coreBytes: 5_000 },
    { storageBytes: 104_999 },
    ['needs 105,000 bytes of storage, n has 104,999 bytes left'],
  ],
  ['an interface', { imports: ['sql'] }, {}, ['imports hypha:host/sql@0.1.0, which n does not provide']],
  [
    "an interface's version",
    { imports: ['hypha:host/kv@0.2.0'] },
    {},
    ['imports hypha:host/kv@0.2.0, but n provides hypha:host/kv@0.1.0'],
  ],
  ['an engine feature', { features: ['simd'] }, {}, ['uses the WebAssembly feature simd, which n does not run']],
  ['a label', { requires: ['roof'] }, {}, ['requires the label roof, which n does not carry']],
  [
    'a label that is carried',
    { requires: ['roof', 'tier=device', 'zone=north'] },
    { labels: ['roof'], zone: 'north' },
    [],
  ],
  ['no core form', { coreBytes: null }, {}, ['has no core form, and n runs only the form core']],
  ['no forms', {}, { forms: [] }, ['is a component with a core form, and n runs no modules']],
  ['silence', {}, { silent: true }, ['n has not yet reported what it provides']],
  ['too many apps', {}, { used: { apps: 64 } }, ['n already runs 64 apps, as many as it can']],
  [
    'sensors of a node that is no device',
    { imports: ['sensor'] },
    { tier: 'edge', interfaces: ['hypha:host/sensor@0.1.0'] },
    ['imports hypha:host/sensor@0.1.0, which belongs to a device and is served only there, and n is of the tier edge'],
  ],
  [
    'everything at once',
    { memoryBytes: 131_072, imports: ['http'], requires: ['roof'] },
    { memoryBytes: 0 },
    [
      'requires the label roof, which n does not carry',
      'imports hypha:host/http@0.1.0, which n does not provide',
      'needs 128 KiB of memory, n has 0 left',
    ],
  ],
]

test.each(table)('%s is judged in a sentence with its numbers', (_why, is, has, expected) => {
  const plan = planOf(release([module('m', is)]), [node('n', has)])
  expect(reasonsOn(plan, 'm', 'n')).toEqual(expected)
  expect(plan.complete).toBe(expected.length === 0)
})

test("modules that fit one by one and not together are told what is left beside the app's own", () => {
  const both = [module('a', { memoryBytes: 131_072 }), module('b', { memoryBytes: 65_536 })]
  const plan = planOf(release(both), [node('n', { memoryBytes: 131_072 })])
  expect(plan.instances.map(({ module: name }) => name)).toEqual(['a'])
  expect(plan.unplaced).toEqual([
    {
      module: 'b',
      home: null,
      reasons: [{ code: 'memory-short', text: 'needs 64 KiB of memory, n has 0 left of 128 KiB' }],
    },
  ])
})

const faults: [why: string, modules: [string, ModuleChoices][], expected: string[]][] = [
  [
    'an import that nobody exports',
    [['a', { imports: ['acme:x/math@0.1.0'] }]],
    ['a imports acme:x/math@0.1.0, which neither the host nor a module of the app provides'],
  ],
  [
    'an import of another version',
    [
      ['a', { imports: ['acme:x/math@0.2.0'] }],
      ['b', { exports: ['acme:x/math@0.1.0'] }],
    ],
    ['a imports acme:x/math@0.2.0, but b exports acme:x/math@0.1.0'],
  ],
  [
    'an import that two export',
    [
      ['a', { imports: ['acme:x/math@0.1.0'] }],
      ['b', { exports: ['acme:x/math@0.1.0'] }],
      ['c', { exports: ['acme:x/math@0.1.3'] }],
    ],
    ['a imports acme:x/math@0.1.0, which b and c both export'],
  ],
  [
    'links in a circle',
    [
      ['a', { imports: ['acme:x/one@0.1.0'], exports: ['acme:x/three@0.1.0'] }],
      ['b', { imports: ['acme:x/two@0.1.0'], exports: ['acme:x/one@0.1.0'] }],
      ['c', { imports: ['acme:x/three@0.1.0'], exports: ['acme:x/two@0.1.0'] }],
      ['d', { imports: ['acme:x/one@0.1.0'] }],
    ],
    [
      'its links go round in a circle: a → b → c → a',
      'its links go round in a circle: b → c → a → b',
      'its links go round in a circle: c → a → b → c',
    ],
  ],
]

test.each(faults)('%s is the fault of the author, and nothing is placed', (_why, modules, expected) => {
  const plan = planOf(release(modules.map(([name, is]) => module(name, is))), [node('n')])
  expect(plan.instances).toEqual([])
  expect(plan.complete).toBe(false)
  const reasons = plan.unplaced.flatMap((item) => item.reasons)
  expect(reasons.map(({ text }) => text)).toEqual(expected)
  expect(reasons.every(({ code }) => authorFaults.includes(code))).toBe(true)
})
