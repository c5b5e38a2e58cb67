import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FleetNode, Plan } from '../../../gateway/plan.ts'
import { greenhouse, irrigation, node, planOf } from './fleets.ts'

const everything = ['sql', 'http', 'kv', 'messages', 'telemetry'].map((name) => `hypha:host/${name}@0.1.0`)

const arbitraryFleet = fc
  .uniqueArray(
    fc.record({
      id: fc.constantFrom(...'abcdefgh'),
      tier: fc.constantFrom('device', 'edge', 'cloud'),
      pages: fc.integer({ min: 0, max: 5 }),
      online: fc.boolean(),
      zone: fc.constantFrom('north', 'south'),
    }),
    { selector: ({ id }) => id, maxLength: 8 },
  )
  .map((choices) =>
    choices.map(({ id, tier, pages, online, zone }): FleetNode => {
      const interfaces = tier === 'device' ? {} : { interfaces: everything }
      return node(id, { tier, memoryBytes: pages * 65_536, online, zone, ...interfaces })
    }),
  )

const apps = fc.constantFrom(greenhouse(), irrigation())

const roomy = (id: string, zone: string) => node(id, { tier: 'cloud', interfaces: everything, zone })

const unplaced = (plan: Plan) => plan.unplaced.map(({ module, home }) => `${module}@${home ?? ''}`)

test('a node with room for everything never takes the place of anything', () => {
  fc.assert(
    fc.property(arbitraryFleet, apps, fc.constantFrom('0', 'z'), (fleet, app, id) => {
      const before = new Set(unplaced(planOf(app, fleet)))
      for (const name of unplaced(planOf(app, [...fleet, roomy(id, 'north')]))) expect(before).toContain(name)
    }),
  )
})

test('no node is over its room, and each call leads to an instance that is there', () => {
  fc.assert(
    fc.property(arbitraryFleet, apps, (fleet, app) => {
      const plan = planOf(app, fleet)
      const there = new Set(plan.instances.map((each) => `${each.node} ${each.module}@${each.home ?? ''}`))
      for (const { id, inventory } of fleet) {
        const given = plan.instances.filter((each) => each.node === id).reduce((sum, each) => sum + each.memoryBytes, 0)
        expect(given).toBeLessThanOrEqual(inventory!.memoryBytes)
      }
      for (const { links } of plan.instances) {
        for (const { provider } of links) {
          if (provider.kind === 'instance')
            expect(there).toContain(`${provider.node} ${provider.module}@${provider.home ?? ''}`)
        }
      }
      expect(planOf(app, [...fleet].reverse())).toEqual(plan)
      expect(planOf(app, fleet, plan).instances.map((each) => each.node)).toEqual(
        plan.instances.map((each) => each.node),
      )
    }),
  )
})
