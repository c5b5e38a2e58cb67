import { expect, test } from 'vitest'
import { demoFleet, module, node, planOf, release, where } from './fleets.ts'

const helper = (more = {}) => module('helper', { exports: ['acme:x/math@0.1.0'], ...more })

test('a module that keeps nothing is copied beside each of its callers', () => {
  const plan = planOf(
    release([
      module('sampler', { imports: ['sensor', 'acme:x/math@0.1.0'], timerMs: 1_000 }),
      module('ledger', { imports: ['sql', 'acme:x/math@0.1.0'], timerMs: 1_000 }),
      helper(),
    ]),
    demoFleet(),
  )
  expect(where(plan).filter((text) => text.startsWith('helper'))).toEqual([
    'helper → gw-edge',
    'helper@pi-7 → pi-7',
    'helper@pi-8 → pi-8',
  ])
  expect(plan.instances.find(({ module: name }) => name === 'ledger')!.links[0]).toEqual({
    interface: 'acme:x/math@0.1.0',
    provider: { kind: 'instance', node: 'gw-edge', module: 'helper', home: null },
  })
  expect(plan.instances.find(({ module: name }) => name === 'helper')!.why).toEqual([
    'copied beside ledger, because it keeps nothing of its own',
  ])
})

test('modules that call each other are placed together, where both fit', () => {
  const plan = planOf(
    release([module('front', { imports: ['acme:x/math@0.1.0'], timerMs: 1_000 }), helper({ imports: ['http', 'kv'] })]),
    demoFleet(),
  )
  expect(where(plan)).toEqual(['front → cloud-1', 'helper → cloud-1'])
})

test('modules that fit nowhere together are linked over the network', () => {
  const plan = planOf(
    release([
      module('front', { imports: ['sql', 'acme:x/math@0.1.0'], timerMs: 1_000 }),
      helper({ imports: ['http', 'kv'] }),
    ]),
    demoFleet(),
  )
  expect(where(plan)).toEqual(['front → gw-edge', 'helper → cloud-1'])
  expect(plan.instances[0]!.links[0]).toEqual({
    interface: 'acme:x/math@0.1.0',
    provider: { kind: 'instance', node: 'cloud-1', module: 'helper', home: null },
    cost: 8,
  })
})

test('WASI interfaces that are satisfied with safe ones need nobody to provide them', () => {
  const plan = planOf(release([module('m', { imports: ['wasi:clocks/wall-clock@0.2.3'] })]), [node('n')])
  expect(plan.complete).toBe(true)
  expect(plan.instances[0]!.links).toEqual([{ interface: 'wasi:clocks/wall-clock@0.2.3', provider: { kind: 'host' } }])
})

test('an older patch of an interface is served by a newer one', () => {
  const has = node('n', { interfaces: ['hypha:host/kv@0.1.4', 'hypha:host/log@1.3.0', 'hypha:host/sql@0.0.2'] })
  const fits = (name: string) => planOf(release([module('m', { imports: [name] })]), [has]).complete
  expect(fits('hypha:host/kv@0.1.0')).toBe(true)
  expect(fits('hypha:host/kv@0.1.5')).toBe(false)
  expect(fits('hypha:host/kv@0.2.0')).toBe(false)
  expect(fits('hypha:host/log@1.2.9')).toBe(true)
  expect(fits('hypha:host/log@2.0.0')).toBe(false)
  expect(fits('hypha:host/sql@0.0.1')).toBe(false)
  expect(fits('hypha:host/sql@0.0.2')).toBe(true)
})
