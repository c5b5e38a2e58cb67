import { expect, test } from 'vitest'
import { explain } from '../../../gateway/place/explain.ts'
import { demoFleet, greenhouse, module, node, planOf, where } from './fleets.ts'

test('the greenhouse lands on devices, edge and cloud without a word about where to run', () => {
  const plan = planOf(greenhouse(), demoFleet())
  expect(where(plan)).toEqual([
    'frost-alarm@pi-7 → pi-7',
    'frost-alarm@pi-8 → pi-8',
    'ledger → gw-edge',
    'report → cloud-1',
    'sampler@pi-7 → pi-7',
    'sampler@pi-8 → pi-8',
  ])
  expect(plan.complete).toBe(true)
  expect(plan.unplaced).toEqual([])
})

test('what many shared modules hear stays on its device all the same, where it runs also without a network', () => {
  const fleet = demoFleet().map((each) =>
    each.id === 'cloud-1' ? each : { ...each, id: each.id.replace('gw-', 'a-') },
  )
  const listeners = ['a', 'b', 'c'].map((name) =>
    module(name, { imports: ['sql'], subscribe: ['alarm'], timerMs: 1_000 }),
  )
  const app = greenhouse()
  expect(where(planOf({ ...app, modules: [...app.modules, ...listeners] }, fleet))).toContain('frost-alarm@pi-7 → pi-7')
})

test('each choice and each refusal is explained in sentences', () => {
  const plan = planOf(greenhouse(), demoFleet())
  expect(explain(plan, 'sampler', 'pi-7')).toEqual([
    'sampler of pi-7 runs on pi-7: one instance for each device, because it imports hypha:host/sensor@0.1.0; its home provides all that it imports.',
    'Not on cloud-1, gw-edge: imports hypha:host/sensor@0.1.0, which cloud-1 (and 1 more) does not provide.',
    'It fits on pi-7, pi-8.',
  ])
  expect(explain(plan, 'ledger')).toEqual([
    'ledger runs on gw-edge: one instance for the site, because its timer belongs to no device; gw-edge is the only node that can hold it.',
    'Not on cloud-1, pi-7, pi-8: imports hypha:host/sql@0.1.0, which cloud-1 (and 2 more) does not provide.',
    'It fits on gw-edge.',
  ])
  expect(explain(plan, 'frost-alarm', 'pi-8')[0]).toBe(
    'frost-alarm of pi-8 runs on pi-8: one instance for each device, because all that call it belong to a device: sampler; its home provides all that it imports.',
  )
  expect(explain(plan, 'nobody')).toEqual([])
})

test('a plan is plain JSON', () => {
  const plan = planOf(greenhouse(), demoFleet())
  expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
})

test('every import of an instance is linked to the host, and nothing else is', () => {
  const plan = planOf(greenhouse(), demoFleet())
  expect(plan.instances.find(({ module }) => module === 'ledger')!.links).toEqual([
    { interface: 'hypha:host/messages@0.1.0', provider: { kind: 'host' } },
    { interface: 'hypha:host/sql@0.1.0', provider: { kind: 'host' } },
  ])
})

test('without a cloud, what needs one has no place, and the rest runs', () => {
  const plan = planOf(greenhouse(), [node('pi-7'), node('gw-edge', { tier: 'edge' })])
  expect(plan.complete).toBe(false)
  expect(where(plan)).toEqual(['frost-alarm@pi-7 → pi-7', 'ledger → gw-edge', 'sampler@pi-7 → pi-7'])
  expect(plan.unplaced.map(({ module, home }) => [module, home])).toEqual([['report', null]])
  expect(explain(plan, 'report')[0]).toBe(
    'report has no place: imports hypha:host/http@0.1.0, which gw-edge (and 1 more) does not provide.',
  )
})

test('a fleet without devices leaves device-scoped modules without a home', () => {
  const plan = planOf(greenhouse(), [node('gw-edge', { tier: 'edge' }), node('cloud-1', { tier: 'cloud' })])
  expect(plan.unplaced).toEqual([
    {
      module: 'frost-alarm',
      home: null,
      reasons: [{ code: 'no-home', text: 'belongs to the devices of its callers, and these have none' }],
    },
    {
      module: 'sampler',
      home: null,
      reasons: [
        { code: 'no-home', text: 'imports hypha:host/sensor@0.1.0, and of 0 devices in the fleet none provides it' },
      ],
    },
  ])
})

test('a fleet without a node leaves everything without a place', () => {
  const plan = planOf(greenhouse(), [])
  expect(plan.instances).toEqual([])
  expect(plan.unplaced.find(({ module }) => module === 'ledger')!.reasons).toEqual([
    { code: 'no-node', text: 'the fleet has no node' },
  ])
})
