import type { Release } from '@hypha/core/trust/release.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { distance } from '../../../gateway/place/distance.ts'
import type { FleetNode } from '../../../gateway/plan.ts'
import { demoFleet, greenhouse, module, node, planOf, release, where } from './fleets.ts'

const edges = () => [node('edge-1', { tier: 'edge' }), node('edge-2', { tier: 'edge' })]
const shared = () => release([module('ledger', { imports: ['sql', 'kv'], timerMs: 1_000 })])

test('what its device cannot hold is placed one tier up and still belongs to the device', () => {
  const fleet = [
    node('pi-7', { memoryBytes: 65_536 }),
    node('gw-edge', { tier: 'edge' }),
    node('cloud-1', { tier: 'cloud' }),
  ]
  const plan = planOf(greenhouse(), fleet)
  expect(where(plan)).toEqual(
    ['frost-alarm@pi-7 → gw-edge', 'ledger → gw-edge', 'report → cloud-1', 'sampler@pi-7 → pi-7'].sort(),
  )
  const [alarm] = plan.instances
  expect(alarm!.why).toContain(
    'needs 64 KiB of memory, pi-7 has 0 left of 64 KiB: placed on gw-edge, 2 steps from pi-7, linked to sampler, which stays there',
  )
  expect(alarm!.cost).toBeGreaterThan(0)
})

test('a microcontroller escalates to the device that it is attached to, and to no other', () => {
  const fleet = [
    node('mcu-1', { tier: 'mcu', parent: 'pi-7', memoryBytes: 65_536 }),
    node('pi-6', { interfaces: ['hypha:host/kv@0.1.0', 'hypha:host/messages@0.1.0'] }),
    node('pi-7', { interfaces: ['hypha:host/kv@0.1.0', 'hypha:host/messages@0.1.0'] }),
    node('gw-edge', { tier: 'edge' }),
  ]
  expect(where(planOf(greenhouse(), fleet))).toContain('frost-alarm@mcu-1 → pi-7')
})

test('shared modules go near those that they hear', () => {
  const fleet = [
    node('pi-7', { zone: 'south' }),
    node('edge-1', { tier: 'edge', zone: 'north' }),
    node('edge-2', { tier: 'edge', zone: 'south' }),
    node('cloud-1', { tier: 'cloud' }),
  ]
  const plan = planOf(greenhouse(), fleet)
  expect(where(plan)).toContain('ledger → edge-2')
  expect(plan.instances.find(({ module: name }) => name === 'ledger')!.why[1]).toBe(
    'edge-2 has the cheapest links of those that can hold it: they cost 12, on edge-1 20',
  )
})

test('what is shared takes nothing from devices while another node can hold it', () => {
  const plain = release([module('m', { imports: ['kv'] })])
  expect(where(planOf(plain, demoFleet()))).toEqual(['m → gw-edge'])
  expect(where(planOf(plain, [node('pi-7')]))).toEqual(['m → pi-7'])
})

test('at equal cost an instance stays where it is', () => {
  const before = planOf(shared(), [edges()[1]!])
  expect(where(before)).toEqual(['ledger → edge-2'])
  expect(where(planOf(shared(), edges()))).toEqual(['ledger → edge-1'])
  const after = planOf(shared(), edges(), before)
  expect(where(after)).toEqual(['ledger → edge-2'])
  expect(after.instances[0]!.why).toContain('it stays on edge-2, where it was')
})

test('nothing new is placed on a node that is away, and what is there stays', () => {
  const [one, two] = edges() as [FleetNode, FleetNode]
  const away = { ...one, online: false }
  expect(where(planOf(shared(), [away, two]))).toEqual(['ledger → edge-2'])
  const before = planOf(shared(), [one, two])
  expect(where(before)).toEqual(['ledger → edge-1'])
  const after = planOf(shared(), [away, two], before)
  expect(where(after)).toEqual(['ledger → edge-1'])
  expect(after.instances[0]!.why).toContain('edge-1 is offline now; it stays there, where it was')
  expect(planOf(shared(), [away]).unplaced[0]!.reasons).toEqual([
    { code: 'node-offline', text: 'edge-1 is offline, and nothing new is placed there until it is back' },
  ])
})

test('a device that is away keeps what is its own', () => {
  const fleet = demoFleet().map((item) => (item.id === 'pi-7' ? { ...item, online: false } : item))
  expect(where(planOf(greenhouse(), fleet))).toContain('sampler@pi-7 → pi-7')
})

const arbitraryFleet = fc.uniqueArray(
  fc.record({
    id: fc.constantFrom(...'abcdefghij'),
    tier: fc.constantFrom('mcu', 'device', 'edge', 'cloud'),
    memory: fc.constantFrom(0, 65_536, 131_072, 1_048_576),
    online: fc.boolean(),
    zone: fc.constantFrom(undefined, 'north', 'south'),
    parent: fc.constantFrom(undefined, ...'abcdefghij'),
  }),
  { selector: ({ id }) => id, maxLength: 10 },
)

const asNodes = (choices: typeof arbitraryFleet extends fc.Arbitrary<infer T> ? T : never): FleetNode[] =>
  choices.map(({ id, tier, memory, online, zone, parent }) =>
    node(id, {
      tier,
      memoryBytes: memory,
      online,
      ...(zone === undefined ? {} : { zone }),
      ...(parent === undefined ? {} : { parent }),
    }),
  )

test('the same input in any order gives the same plan', () => {
  const shuffled = <T>(items: readonly T[]) => fc.shuffledSubarray([...items], { minLength: items.length })
  const modules = greenhouse().modules
  fc.assert(
    fc.property(
      arbitraryFleet.chain((fleet) => fc.tuple(fc.constant(asNodes(fleet)), shuffled(asNodes(fleet)))),
      shuffled(modules),
      ([fleet, fleetShuffled], modulesShuffled) => {
        const again: Release = { ...greenhouse(), modules: modulesShuffled }
        expect(planOf(again, fleetShuffled)).toEqual(planOf(greenhouse(), fleet))
      },
    ),
  )
})

test('a plan is stable: placing again from itself changes no place', () => {
  fc.assert(
    fc.property(arbitraryFleet, (choices) => {
      const fleet = asNodes(choices)
      const plan = planOf(greenhouse(), fleet)
      expect(where(planOf(greenhouse(), fleet, plan))).toEqual(where(plan))
    }),
  )
})

test('no node is given more memory than it has', () => {
  fc.assert(
    fc.property(arbitraryFleet, (choices) => {
      const fleet = asNodes(choices)
      const plan = planOf(greenhouse(), fleet)
      for (const { id, inventory } of fleet) {
        const given = plan.instances.filter((item) => item.node === id).reduce((sum, item) => sum + item.memoryBytes, 0)
        expect(given).toBeLessThanOrEqual(inventory!.memoryBytes)
      }
    }),
  )
})

test('distances are symmetrical, and 0 only from a node to itself', () => {
  fc.assert(
    fc.property(arbitraryFleet, (choices) => {
      const fleet = asNodes(choices)
      for (const a of fleet) {
        for (const b of fleet) {
          expect(distance(a, b)).toBe(distance(b, a))
          expect(distance(a, b) === 0).toBe(a.id === b.id)
        }
      }
    }),
  )
})
