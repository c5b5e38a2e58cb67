import { type Directive, directive } from '@hypha/core/trust/directive.ts'
import { checkDirective } from '@hypha/core/trust/shape.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FleetNode } from '../../../gateway/plan.ts'
import { irrigation, module, node, planOf, release } from '../place/fleets.ts'
import { directed } from './directed.ts'

const cloud = node('cloud-1', {
  tier: 'cloud',
  interfaces: ['sql', 'http', 'kv'].map((name) => `hypha:host/${name}@0.1.0`),
})
const gwEdge = node('gw-edge', { tier: 'edge' })
const small = { memoryBytes: 128 * 1_024 }
const fleet = (...devices: FleetNode[]) => [...devices, gwEdge, cloud]

const sectionOf = (all: readonly Directive[], id: string, phase = 'run') =>
  all.find((made) => made.node === id)!.sections.find((section) => section.phase === phase)!

test('A directive lists who may call each instance, and where the devices are that a call may be meant for', () => {
  const { all } = directed({ releases: [irrigation()], fleet: fleet(node('pi-7'), node('pi-8')) })
  const up = sectionOf(all, 'cloud-1')
  expect(up.served).toEqual([
    {
      module: 'advisor',
      home: null,
      interface: 'plants:app/advice@0.1.0',
      callers: [
        { node: 'pi-7', module: 'smooth', home: 'pi-7' },
        { node: 'pi-8', module: 'smooth', home: 'pi-8' },
      ],
    },
  ])
  expect(up.devices).toEqual([
    {
      module: 'irrigate',
      at: [
        { home: 'pi-7', node: 'pi-7' },
        { home: 'pi-8', node: 'pi-8' },
      ],
    },
  ])
  // What the modules of one cell call of each other is no message.
  expect(sectionOf(all, 'pi-7').served).toEqual([
    {
      module: 'irrigate',
      home: 'pi-7',
      interface: 'plants:app/water@0.1.0',
      callers: [{ node: 'cloud-1', module: 'advisor', home: null }],
    },
  ])
  for (const made of all) {
    checkDirective(made)
    expect(directive.decode(directive.encode(made))).toEqual(made)
  }
})

test('An app without links between nodes says nothing of links', () => {
  const { all } = directed()
  for (const made of all)
    for (const { served, devices } of made.sections) expect([served, devices]).toEqual([null, null])
})

test('A device that comes is no activation for those whom it calls: only who is there is told anew', () => {
  const first = directed({ releases: [irrigation()], fleet: fleet(node('pi-7')) })
  const second = directed({
    releases: [irrigation()],
    fleet: fleet(node('pi-7'), node('pi-8')),
    last: first.all,
    epochs: first.epochs,
  })
  expect(second.directives.map((made) => [made.node, made.version, made.sections[0]!.epoch])).toEqual([
    ['cloud-1', 2, 1],
    ['pi-8', 1, 2],
  ])
  const { served, devices, ...before } = sectionOf(first.all, 'cloud-1')
  expect(sectionOf(second.all, 'cloud-1')).toMatchObject(before)
  expect(sectionOf(second.all, 'cloud-1').served![0]!.callers).toHaveLength(2)
  const third = directed({
    releases: [irrigation()],
    fleet: fleet(node('pi-7'), node('pi-8')),
    last: second.all,
    epochs: second.epochs,
  })
  expect(third.made).toEqual([])
})

test('An isolated module is called by messages also on its own node', () => {
  const front = module('front', { imports: ['sql', 'acme:x/math@0.1.0'], timerMs: 1_000 })
  const back = module('back', { imports: ['kv'], exports: ['acme:x/math@0.1.0'] })
  const alone = { ...back, spec: { ...back.spec, isolate: true } }
  const servedOf = (modules: Parameters<typeof release>[0]) =>
    sectionOf(directed({ releases: [release(modules)], fleet: [cloud] }).all, 'cloud-1').served
  expect(servedOf([front, back])).toBeNull()
  expect(servedOf([front, alone])).toEqual([
    {
      module: 'back',
      home: null,
      interface: 'acme:x/math@0.1.0',
      callers: [{ node: 'cloud-1', module: 'front', home: null }],
    },
  ])
})

test('In the middle of a rollout the callers of both releases are answered, by what runs and by what is prepared', () => {
  const before = fleet(node('pi-7'))
  const first = directed({ releases: [irrigation()], fleet: before })
  const moved = fleet(node('pi-7', small))
  const second = directed({
    releases: [irrigation()],
    fleet: before,
    last: first.all,
    epochs: first.epochs,
    rollout: {
      release: { ...irrigation(), number: 2 },
      fleet: moved,
      epoch: 2,
      since: 2,
      waves: new Map(before.map(({ id }) => [id, 0])),
      preparing: 0,
      committed: -1,
      settled: true,
    },
  })
  const callers = [
    { node: 'gw-edge', module: 'smooth', home: 'pi-7' },
    { node: 'pi-7', module: 'smooth', home: 'pi-7' },
  ]
  for (const phase of ['run', 'prepare'])
    expect(sectionOf(second.all, 'cloud-1', phase).served![0]!.callers).toEqual(callers)
  expect(sectionOf(second.all, 'cloud-1').epoch).toBe(1)
  expect(sectionOf(second.all, 'gw-edge', 'prepare').served![0]).toMatchObject({
    module: 'smooth',
    home: 'pi-7',
    callers: [{ node: 'pi-7', module: 'sampler', home: 'pi-7' }],
  })
})

test('Every link between nodes is answered by exactly one, and nothing else is', () => {
  const devices = fc.uniqueArray(
    fc.record({ id: fc.constantFrom('pi-1', 'pi-2', 'pi-3', 'pi-4'), pages: fc.constantFrom(0, 1, 2, 3, 9) }),
    { selector: ({ id }) => id, maxLength: 4 },
  )
  fc.assert(
    fc.property(devices, (choices) => {
      const nodes = fleet(...choices.map(({ id, pages }) => node(id, { memoryBytes: pages * 65_536 })))
      const { all } = directed({ releases: [irrigation()], fleet: nodes })
      const answered = all.flatMap((made) =>
        made.sections.flatMap(({ served }) =>
          (served ?? []).flatMap(({ module: name, home, callers }) =>
            callers.map((by) => `${by.node} ${by.module}@${by.home} → ${made.node} ${name}@${home}`),
          ),
        ),
      )
      const plan = planOf(irrigation(), nodes)
      const wanted = plan.instances.flatMap((by) =>
        by.links.flatMap(({ provider }) => {
          const from = `${by.node} ${by.module}@${by.home}`
          if (provider.kind === 'instance' && provider.node !== by.node)
            return [`${from} → ${provider.node} ${provider.module}@${provider.home}`]
          if (provider.kind !== 'device') return []
          return plan.instances
            .filter((other) => other.module === provider.module)
            .map((other) => `${from} → ${other.node} ${other.module}@${other.home}`)
        }),
      )
      expect(answered.sort()).toEqual(wanted.sort())
    }),
  )
})
