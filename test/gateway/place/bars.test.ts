import fc from 'fast-check'
import { expect, test } from 'vitest'
import { place } from '../../../gateway/place/place.ts'
import { whyNot } from '../../../gateway/place/why-not.ts'
import type { Barred, FleetNode, PlaceInput, Plan } from '../../../gateway/plan.ts'
import { demoFleet, irrigation, node, where } from './fleets.ts'

const bar = (module: string, home: string | null, at: string, below = true): Barred => ({
  module,
  home,
  node: at,
  below,
  reason: { code: 'escalated', text: `trapped 3 times in 7 s for want of memory on ${at} (limit 64 KiB)` },
})

/** The edge and the cloud can each hold what reaches the world; only the cloud has both of its interfaces. */
function fleet(): FleetNode[] {
  const [seven, eight, edge] = demoFleet()
  const both = ['log', 'clock', 'config', 'telemetry', 'kv', 'messages', 'links', 'sql', 'http']
  const interfaces = both.map((name) => `hypha:host/${name}@0.1.0`)
  return [seven!, eight!, edge!, node('cloud-1', { tier: 'cloud', interfaces })]
}

const input = (barred: readonly Barred[], previous?: Plan): PlaceInput => ({
  release: irrigation(),
  digest: 'ab'.repeat(32),
  fleet: fleet(),
  barred,
  ...(previous ? { previous } : {}),
})

const home = place(input([]))
const at = (plan: Plan, module: string, of: string | null) =>
  plan.instances.find((each) => each.module === module && each.home === of)!

test('an instance that is barred from its device goes a tier up, and nothing else moves', () => {
  const plan = place(input([bar('smooth', 'pi-7', 'pi-7')], home))
  const others = (of: Plan) => where(of).filter((each) => !each.startsWith('smooth@pi-7'))
  expect(where(home)).toContain('smooth@pi-7 → pi-7')
  expect(where(plan)).toContain('smooth@pi-7 → gw-edge')
  expect(others(plan)).toEqual(others(home))
  expect(at(plan, 'smooth', 'pi-7').why[1]).toBe(
    'trapped 3 times in 7 s for want of memory on pi-7 (limit 64 KiB): placed on gw-edge, 2 steps from pi-7, linked to sampler, which stays there',
  )
})

test('what is barred from the edge as well goes on to the cloud', () => {
  const plan = place(input([bar('smooth', 'pi-7', 'pi-7'), bar('smooth', 'pi-7', 'gw-edge')], home))
  expect(where(plan)).toContain('smooth@pi-7 → cloud-1')
  expect(at(plan, 'smooth', 'pi-7').why.join('; ')).toContain('on gw-edge (limit 64 KiB): placed on cloud-1')
})

test('a bar of the edge alone holds below it too, unless it is of the node itself', () => {
  expect(where(place(input([bar('smooth', 'pi-7', 'gw-edge')], home)))).toContain('smooth@pi-7 → cloud-1')
  expect(where(place(input([bar('smooth', 'pi-7', 'gw-edge', false)], home)))).toContain('smooth@pi-7 → pi-7')
})

test('what nothing else can hold stays where it was, and says so', () => {
  const plan = place(input([bar('sampler', 'pi-7', 'pi-7')], home))
  const sampler = at(plan, 'sampler', 'pi-7')
  expect(sampler.node).toBe('pi-7')
  expect(sampler.despite).toBe(
    'nothing else can hold it: trapped 3 times in 7 s for want of memory on pi-7 (limit 64 KiB); it imports hypha:host/sensor@0.1.0, which is served only where pi-7 is',
  )
  expect(sampler.why).toContain(sampler.despite)
  expect(plan.complete).toBe(true)
})

test('what has climbed and can be held nowhere by now stays where it is, and does not go back', () => {
  const climbed = place(input([bar('smooth', 'pi-7', 'pi-7')], home))
  const all = ['pi-7', 'gw-edge', 'cloud-1'].map((each) => bar('smooth', 'pi-7', each))
  const plan = place(input(all, climbed))
  expect(where(plan)).toContain('smooth@pi-7 → gw-edge')
  expect(at(plan, 'smooth', 'pi-7').despite).toMatch(/^nothing else can hold it: /)
})

test('a shared instance never comes down to a device because the tiers above are in trouble', () => {
  const plan = place(input([bar('advisor', null, 'cloud-1', false)], home))
  expect(at(plan, 'advisor', null).node).toBe('cloud-1')
  expect(at(plan, 'advisor', null).despite).toMatch(/^nothing else can hold it: /)
})

test('the solver says why an instance is not on the node that it is barred from', () => {
  const sentences = whyNot(input([bar('smooth', 'pi-7', 'pi-7')], home), 'smooth', 'pi-7', 'pi-7')!
  expect(sentences.at(-1)).toBe("pi-7 can't hold it: trapped 3 times in 7 s for want of memory on pi-7 (limit 64 KiB).")
})

test('a bar of a node that is no more keeps nothing from anywhere', () => {
  expect(place(input([bar('smooth', 'pi-7', 'pi-99')], home))).toEqual(place(input([], home)))
})

const arbitraryBar = fc.record({
  module: fc.constantFrom('sampler', 'smooth', 'advisor', 'irrigate'),
  home: fc.constantFrom(null, 'pi-7', 'pi-8'),
  at: fc.constantFrom('pi-7', 'pi-8', 'gw-edge', 'cloud-1'),
  below: fc.boolean(),
})

test('whatever is barred, everything that had a place keeps one, and none is where it is barred from without saying so', () => {
  fc.assert(
    fc.property(fc.array(arbitraryBar, { maxLength: 6 }), (wanted) => {
      const barred = wanted.map((each) => bar(each.module, each.home, each.at, each.below))
      const plan = place(input(barred, home))
      expect(plan.complete).toBe(true)
      expect(place(input([...barred].reverse(), home)).instances.map(({ node: on }) => on)).toEqual(
        plan.instances.map(({ node: on }) => on),
      )
      for (const { module, home: of, node: on, despite } of plan.instances) {
        const direct = barred.some((each) => each.module === module && each.home === of && each.node === on)
        if (direct) expect(despite).toBeDefined()
        if (!barred.some((each) => each.module === module && each.home === of)) expect(despite).toBeUndefined()
      }
    }),
    { numRuns: 200 },
  )
})
