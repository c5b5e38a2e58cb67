import { expect, test } from 'vitest'
import { explain } from '../../../gateway/place/explain.ts'
import type { FleetNode } from '../../../gateway/plan.ts'
import { module, node, planOf, release } from './fleets.ts'

const beat = release([module('beat', { imports: ['telemetry', 'kv'], timerMs: 1_000 })])
const edge = (id: string): FleetNode => node(id, { tier: 'edge' })
const lost = (each: FleetNode): FleetNode => ({ ...each, online: false, lost: true })
const away = (each: FleetNode): FleetNode => ({ ...each, online: false })

const at = ({ instances }: ReturnType<typeof planOf>) =>
  instances.map(({ module, home, node }) => `${module}${home === null ? '' : `@${home}`} → ${node}`)

test('A shared instance waits for a node that is away, and is placed elsewhere once its lease has run out, in a sentence that says so', () => {
  const before = planOf(beat, [edge('edge-1'), edge('edge-2')])
  expect(at(before)).toEqual(['beat → edge-1'])
  expect(before.instances[0]!.leased).toBe(true)
  const waits = planOf(beat, [away(edge('edge-1')), edge('edge-2')], before)
  expect(at(waits)).toEqual(['beat → edge-1'])
  const moved = planOf(beat, [lost(edge('edge-1')), edge('edge-2')], waits)
  expect(at(moved)).toEqual(['beat → edge-2'])
  expect(explain(moved, 'beat')[0]).toContain('edge-1 is away and its lease has run out: placed on edge-2')
  // It is back only now: whatever would be cheaper there waits until it has stayed; what has no place doesn't.
  const settling = { ...edge('edge-1'), lost: true }
  const cheap = { ...edge('edge-2'), zone: 'far' }
  expect(at(planOf(beat, [settling, cheap], moved))).toEqual(['beat → edge-2'])
  expect(at(planOf(beat, [settling]))).toEqual(['beat → edge-1'])
  // It is there, and nothing is cheaper there.
  expect(at(planOf(beat, [edge('edge-1'), edge('edge-2')], moved))).toEqual(['beat → edge-2'])
})

test('Where nothing else can hold it, it waits for the node that it was on, and the plan says so', () => {
  const before = planOf(beat, [edge('edge-1')])
  const moved = planOf(beat, [lost(edge('edge-1'))], before)
  expect(at(moved)).toEqual(['beat → edge-1'])
  expect(moved.complete).toBe(true)
  expect(explain(moved, 'beat')[0]).toContain('nothing else can hold it: it waits for edge-1')
})

test('One that is to be kept stays, and needs no lease', () => {
  const [only] = beat.modules
  const kept = release([{ ...only!, spec: { ...only!.spec, offline: 'keep' } }])
  const before = planOf(kept, [edge('edge-1'), edge('edge-2')])
  expect(before.instances[0]!.leased).toBeUndefined()
  expect(at(planOf(kept, [lost(edge('edge-1')), edge('edge-2')], before))).toEqual(['beat → edge-1'])
})

test('What is bound to a device waits for it without a lease; what only belongs to one comes home from a node that is lost', () => {
  const app = release([
    module('sampler', { imports: ['sensor', 'telemetry', 'plants:app/smooth@0.1.0'], timerMs: 1_000 }),
    module('smooth', { imports: ['kv'], exports: ['plants:app/smooth@0.1.0'], memoryBytes: 4 * 1024 * 1024 }),
  ])
  const small = node('pi-1', { memoryBytes: 1024 * 1024 })
  const before = planOf(app, [small, edge('edge-1')])
  expect(at(before)).toEqual(['sampler@pi-1 → pi-1', 'smooth@pi-1 → edge-1'])
  expect(before.instances.map(({ leased }) => leased)).toEqual([undefined, true])
  const both = planOf(app, [lost(small), edge('edge-1')], before)
  expect(at(both)).toEqual(['sampler@pi-1 → pi-1', 'smooth@pi-1 → edge-1'])
  const home = planOf(app, [node('pi-1'), lost(edge('edge-1'))], before)
  expect(at(home)).toEqual(['sampler@pi-1 → pi-1', 'smooth@pi-1 → pi-1'])
})
