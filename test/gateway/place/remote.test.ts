import { expect, test } from 'vitest'
import type { NodeChoices } from './fleets.ts'
import { hinted, irrigation, module, node, planOf, reasonsOn, release, where } from './fleets.ts'

const fleet = (pi: NodeChoices = {}) => [
  node('pi-7', pi),
  node('pi-8'),
  node('gw-edge', { tier: 'edge' }),
  node('cloud-1', {
    tier: 'cloud',
    interfaces: ['sql', 'http', 'log', 'kv'].map((name) => `hypha:host/${name}@0.1.0`),
  }),
]

const linkOf = (plan: ReturnType<typeof planOf>, name: string, home: string | null, wanted: string) =>
  plan.instances
    .find((each) => each.module === name && each.home === home)!
    .links.find(({ interface: id }) => id.startsWith(wanted))!.provider

test('An app of four modules finds its places on two tiers without a word about where to run', () => {
  const plan = planOf(irrigation(), fleet())
  expect(where(plan)).toEqual([
    'advisor → cloud-1',
    'irrigate@pi-7 → pi-7',
    'irrigate@pi-8 → pi-8',
    'sampler@pi-7 → pi-7',
    'sampler@pi-8 → pi-8',
    'smooth@pi-7 → pi-7',
    'smooth@pi-8 → pi-8',
  ])
  expect(plan.complete).toBe(true)
  const shared = { kind: 'instance', node: 'cloud-1', module: 'advisor', home: null }
  expect(linkOf(plan, 'smooth', 'pi-7', 'plants:app/advice')).toEqual(shared)
  expect(linkOf(plan, 'advisor', null, 'plants:app/water')).toEqual({ kind: 'device', module: 'irrigate' })
})

test('What its device can not hold goes up, and what is bound to the device stays linked to it', () => {
  const plan = planOf(irrigation(), fleet({ memoryBytes: 128 * 1_024 }))
  expect(where(plan).filter((text) => text.includes('pi-7'))).toEqual([
    'irrigate@pi-7 → pi-7',
    'sampler@pi-7 → pi-7',
    'smooth@pi-7 → gw-edge',
  ])
  const smooth = plan.instances.find((each) => each.module === 'smooth' && each.home === 'pi-7')!
  expect(smooth.why.at(-2)).toBe(
    'needs 64 KiB of memory, pi-7 has 0 left of 128 KiB: placed on gw-edge, 2 steps from pi-7, linked to sampler, which stays there',
  )
  expect(linkOf(plan, 'sampler', 'pi-7', 'plants:app/smooth')).toEqual({
    kind: 'instance',
    node: 'gw-edge',
    module: 'smooth',
    home: 'pi-7',
  })
})

test('A copied module that has no room beside its caller gets a place of its own, once for all callers of its home', () => {
  const modules = [
    module('sampler', { imports: ['sensor', 'acme:x/math@0.1.0'], timerMs: 1_000 }),
    module('valve', { imports: ['actuator', 'acme:x/math@0.1.0'], timerMs: 1_000 }),
    module('math', { exports: ['acme:x/math@0.1.0'] }),
  ]
  const plan = planOf(release(modules), [node('pi-7', { memoryBytes: 131_072 }), node('gw-edge', { tier: 'edge' })])
  expect(where(plan)).toEqual(['math@pi-7 → gw-edge', 'sampler@pi-7 → pi-7', 'valve@pi-7 → pi-7'])
  expect(plan.complete).toBe(true)
  const there = { kind: 'instance', node: 'gw-edge', module: 'math', home: 'pi-7' }
  expect(linkOf(plan, 'sampler', 'pi-7', 'acme')).toEqual(there)
  expect(linkOf(plan, 'valve', 'pi-7', 'acme')).toEqual(there)
})

test('Many calls to a far module draw their caller there, few leave it at home', () => {
  const at = (ratePerS: number) =>
    where(planOf(hinted(irrigation(), 'smooth', 'plants:app/advice@0.1.0', ratePerS), fleet()))
  expect(at(0.1)).toContain('smooth@pi-7 → pi-7')
  expect(at(50)).toContain('smooth@pi-7 → cloud-1')
})

test('Measured traffic counts in place of a hint, for all instances together', () => {
  const input = { release: hinted(irrigation(), 'smooth', 'plants:app/advice@0.1.0', 0.1), fleet: fleet(), digest: '' }
  const link = { caller: 'smooth', callee: 'advisor', interface: 'plants:app/advice@0.1.0', bytesPerS: 0 }
  const plan = planOf(input.release, input.fleet, undefined, [{ ...link, callsPerS: 100 }])
  expect(where(plan)).toContain('smooth@pi-7 → cloud-1')
  expect(plan.traffic.find(({ caller }) => caller === 'smooth')).toEqual({
    caller: 'smooth',
    callee: 'advisor',
    interface: 'plants:app/advice@0.1.0',
    callsPerS: 50,
    bytesPerCall: 0,
    source: 'measured',
  })
})

test('What is bound to a device has no place where the device can not hold it, and the reason says so', () => {
  const plan = planOf(irrigation(), fleet({ memoryBytes: 0 }))
  expect(plan.unplaced.find(({ module: name }) => name === 'sampler')).toEqual({
    module: 'sampler',
    home: 'pi-7',
    reasons: [{ code: 'memory-short', text: 'needs 64 KiB of memory, pi-7 has 0 left' }],
  })
  expect(reasonsOn(plan, 'sampler', 'gw-edge')).toEqual([
    'imports hypha:host/sensor@0.1.0, which cloud-1 (and 1 more) does not provide',
  ])
})

test('Who calls what has no place has none either, and is told whom', () => {
  const plan = planOf(irrigation(), [node('pi-7'), node('gw-edge', { tier: 'edge' })])
  expect(plan.unplaced.map(({ module: name, reasons }) => [name, reasons.map(({ text }) => text)])).toEqual([
    [
      'advisor',
      [
        'imports hypha:host/http@0.1.0, which gw-edge does not provide',
        'imports hypha:host/http@0.1.0, which pi-7 does not provide',
        'imports hypha:host/sql@0.1.0, which pi-7 does not provide',
      ],
    ],
    ['sampler', ['calls smooth, which has no place for pi-7']],
    ['smooth', ['calls advisor, which has no place']],
  ])
  expect(where(plan)).toEqual(['irrigate@pi-7 → pi-7'])
})

const board = (memoryBytes: number) => node('mcu-2', { tier: 'mcu', parent: 'pi-7', memoryBytes })

test('What a microcontroller can not hold goes to the device that it is attached to, and its sensor stays that of the board', () => {
  const sampler = module('sampler', { imports: ['sensor'], endBytes: 96 * 1_024, memoryBytes: 96 * 1_024 })
  const plan = planOf(release([sampler]), [
    board(24 * 1_024),
    node('pi-7'),
    node('pi-8'),
    node('gw-edge', { tier: 'edge' }),
  ])
  expect(where(plan)).toEqual(['sampler@mcu-2 → pi-7', 'sampler@pi-7 → pi-7', 'sampler@pi-8 → pi-8'])
  expect(plan.instances[0]!.why).toContain(
    'needs 96 KiB of memory, mcu-2 has 24 KiB left: placed on pi-7, 1 step from mcu-2, its sensor linked to mcu-2 as before',
  )
})

test('A second module of a board goes to the device that it is attached to, because a board runs one, whatever memory it has left', () => {
  const modules = ['sampler', 'valve'].map((name) =>
    module(name, { imports: ['sensor'], endBytes: 20 * 1_024, memoryBytes: 20 * 1_024 }),
  )
  for (const memory of [64 * 1_024, 24 * 1_024]) {
    const plan = planOf(release(modules), [board(memory), node('pi-7')])
    expect(where(plan).filter((text) => text.includes('mcu'))).toEqual(['sampler@mcu-2 → mcu-2', 'valve@mcu-2 → pi-7'])
    const second = plan.instances.find((each) => each.module === 'valve' && each.home === 'mcu-2')!
    expect(second.why.join('; ')).toContain('; mcu-2 runs one module, sampler: placed on pi-7, 1 step from mcu-2, ')
  }
})

test('A board that runs a module of another app says so', () => {
  const full = { ...board(64 * 1_024), used: { memoryBytes: 8, storageBytes: 8, apps: 1 } }
  const plan = planOf(release([module('sampler', { imports: ['sensor'], endBytes: 8_192, memoryBytes: 8_192 })]), [
    full,
    node('pi-7'),
  ])
  expect(plan.instances[0]!.why.join('; ')).toContain(
    '; mcu-2 runs one module, and has one of another app: placed on pi-7, ',
  )
})

test('A microcontroller serves no links yet: who calls or is called is beside it', () => {
  const modules = [
    module('sampler', { imports: ['sensor', 'acme:x/math@0.1.0'], endBytes: 20_000, memoryBytes: 20_000 }),
    module('math', { exports: ['acme:x/math@0.1.0'], imports: ['kv'], endBytes: 20_000, memoryBytes: 20_000 }),
  ]
  const plan = planOf(release(modules), [board(48_000), node('pi-7')])
  expect(where(plan).filter((text) => text.includes('mcu'))).toEqual(['math@mcu-2 → pi-7', 'sampler@mcu-2 → pi-7'])
  expect(reasonsOn(plan, 'sampler', 'mcu-2')).toEqual([
    'calls math, and mcu-2 is a microcontroller, which serves no links yet',
  ])
})

test('A node answers as many callers as its directive can name, and the others are told', () => {
  const devices = Array.from({ length: 1_030 }, (_, at) => node(`pi-${at}`))
  const plan = planOf(irrigation(), [
    ...devices,
    node('gw-edge', { tier: 'edge', interfaces: ['sql', 'http'].map((name) => `hypha:host/${name}@0.1.0`) }),
  ])
  const full = plan.unplaced.filter(({ reasons }) => reasons[0]!.code === 'callers-full')
  expect(full).toHaveLength(6)
  expect(full[0]!.reasons[0]!.text).toBe(
    'calls advisor on gw-edge, which answers 1,024 callers of the app already, as many as its directive can name',
  )
})
