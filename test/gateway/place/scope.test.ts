import { expect, test } from 'vitest'
import { demoFleet, type ModuleChoices, module, node, planOf, release, where } from './fleets.ts'

const scopes = (modules: [string, ModuleChoices][]) => {
  const plan = planOf(release(modules.map(([name, is]) => module(name, is))), demoFleet())
  return Object.fromEntries(plan.refusals.map((verdicts) => [verdicts.module, verdicts.scope]))
}

const source: [string, ModuleChoices] = ['source', { imports: ['sensor', 'messages'], publish: ['raw'], timerMs: 1 }]

test('who reads a sensor, and all that only such modules call, belong to the device', () => {
  expect(
    scopes([source, ['a', { subscribe: ['raw'], publish: ['cooked'] }], ['b', { subscribe: ['cooked'] }]]),
  ).toEqual({ source: 'device', a: 'device', b: 'device' })
})

test('a timer is a caller without a device, also for those whom it leads to', () => {
  expect(
    scopes([
      source,
      ['a', { subscribe: ['raw'], publish: ['cooked'], timerMs: 1 }],
      ['b', { subscribe: ['cooked'] }],
      ['c', { subscribe: ['+'] }],
    ]),
  ).toEqual({ source: 'device', a: 'site', b: 'site', c: 'site' })
})

test('modules that talk to each other belong to the device that one of them hears', () => {
  expect(
    scopes([
      source,
      ['a', { subscribe: ['raw', 'back'], publish: ['forth'] }],
      ['b', { subscribe: ['forth'], publish: ['back'] }],
    ]),
  ).toEqual({ source: 'device', a: 'device', b: 'device' })
})

test('modules that only talk to each other are of the site', () => {
  expect(
    scopes([
      source,
      ['a', { subscribe: ['back'], publish: ['forth'] }],
      ['b', { subscribe: ['forth'], publish: ['back'] }],
    ]),
  ).toEqual({ source: 'device', a: 'site', b: 'site' })
})

test('what nobody calls is of the site, and of the fleet on request', () => {
  expect(
    scopes([
      ['a', {}],
      ['b', { fleetScope: true }],
    ]),
  ).toEqual({ a: 'site', b: 'fleet' })
})

test('only devices that provide the interface and carry the label are homes', () => {
  const plan = planOf(release([module('m', { imports: ['actuator'], requires: ['valve'] })]), [
    node('pi-1', { labels: ['valve'] }),
    node('pi-2'),
    node('pi-3', { labels: ['valve'], interfaces: ['hypha:host/sensor@0.1.0'] }),
    node('gw-edge', { tier: 'edge', labels: ['valve'] }),
  ])
  expect(where(plan)).toEqual(['m@pi-1 → pi-1'])
  expect(plan.complete).toBe(true)
})
