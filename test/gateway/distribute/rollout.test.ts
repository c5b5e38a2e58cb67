import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RolloutNode, rolloutOf } from '../../../gateway/distribute/rollout.ts'
import type { NodeState, SectionState } from '../../../src/wire/messages/state.ts'
import { t0 } from '../store/support.ts'
import { contentOf, digest, directiveOf, sectionOf } from './support.ts'

const content = contentOf('ab'.repeat(32), 100, {
  encoding: 'brotli',
  base: null,
  via: null,
  digest: digest(9),
  size: 70,
})
const directive = directiveOf('pi-7', [sectionOf({ contents: [content] })])

const reported = (over: Partial<SectionState> = {}): SectionState => ({
  app: 'greenhouse',
  epoch: 2,
  release: digest(1),
  status: 'confirmed',
  code: null,
  message: null,
  running: digest(1),
  prepare: null,
  instances: [],
  ...over,
})

const stateOf = (sections: SectionState[], over: Partial<NodeState> = {}): RolloutNode['state'] => ({
  at: t0,
  value: {
    incarnation: new Uint8Array(8),
    tier: 'device',
    bootedMs: t0,
    inventory: {
      agentVersion: '',
      arch: '',
      os: '',
      memoryBytes: 0,
      storageBytes: 0,
      interfaces: [],
      features: [],
      forms: [],
      sensors: [],
      actuators: [],
      labels: [],
      updates: null,
    },
    directive: 5,
    sections,
    contents: [],
    refused: null,
    children: null,
    ...over,
  },
})

const node = (over: Partial<RolloutNode> = {}): RolloutNode => ({
  node: 'pi-7',
  online: true,
  directive,
  state: stateOf([reported()]),
  progress: null,
  ...over,
})

const progress = { epoch: 2, bytes: 30, ofBytes: 70 }
const ill = { module: 'sampler', home: 'pi-7', status: 'backoff' as const, restarts: 3, turns: 0, error: 'unreachable' }

describe('a node', () => {
  it.each<[string, Partial<RolloutNode>, { status: string; bytes?: number; code?: string; waitsFor: RegExp | null }]>([
    ['that runs what it should waits for nothing', {}, { status: 'confirmed', bytes: 70, waitsFor: null }],
    [
      'that was never seen',
      { online: false, state: null },
      {
        status: 'waiting',
        bytes: 0,
        waitsFor: /come online \(it was never seen\).*directive 5; it has never reported/,
      },
    ],
    [
      'that is away',
      { online: false, state: stateOf([], { directive: 4 }) },
      { status: 'waiting', waitsFor: /come online.*2026.*directive 5; it holds 4/ },
    ],
    [
      'that is there and has the directive before',
      { state: stateOf([reported({ epoch: 1 })], { directive: 4 }) },
      { status: 'waiting', waitsFor: /^waits for pi-7 to take directive 5; it holds 4$/ },
    ],
    [
      'that has the directive and has not begun',
      { state: stateOf([]) },
      { status: 'waiting', waitsFor: /to begin with epoch 2/ },
    ],
    [
      'that reports another release',
      { state: stateOf([reported({ release: digest(7) })]) },
      { status: 'waiting', waitsFor: /begin/ },
    ],
    [
      'that receives',
      { state: stateOf([reported({ status: 'receiving' })]), progress },
      { status: 'receiving', bytes: 30, waitsFor: /30 of 70 bytes/ },
    ],
    [
      'that receives and has not said how much',
      { state: stateOf([reported({ status: 'receiving' })]) },
      { status: 'receiving', bytes: 0, waitsFor: /to receive the release$/ },
    ],
    [
      'that prepares',
      { state: stateOf([reported({ status: 'preparing' })]), progress },
      { status: 'preparing', bytes: 70, waitsFor: /make it ready/ },
    ],
    [
      'that runs it on trial',
      { state: stateOf([reported({ status: 'trial', instances: [ill] })]) },
      { status: 'trial', waitsFor: /on trial; sampler is in backoff \(unreachable\)/ },
    ],
    [
      'that reverted',
      { state: stateOf([reported({ status: 'reverted', code: 'trapped', message: 'it trapped' })]) },
      { status: 'reverted', code: 'trapped', waitsFor: /another release: on pi-7 it failed \(it trapped\)/ },
    ],
    [
      'that reverted to the release before',
      { state: stateOf([reported({ status: 'reverted', message: 'it trapped', running: digest(7) })]) },
      { status: 'reverted', waitsFor: /failed \(it trapped\), and the one before runs again$/ },
    ],
    [
      'that gave up the first release of an app',
      { state: stateOf([reported({ status: 'reverted', message: 'it trapped', running: null })]) },
      { status: 'reverted', waitsFor: /failed \(it trapped\), and nothing of the app runs there$/ },
    ],
    [
      'that refused the release',
      { state: stateOf([reported({ status: 'refused', code: 'below-floor' })]) },
      { status: 'refused', waitsFor: /pi-7 refused this one \(below-floor\)/ },
    ],
    [
      'that refused the directive',
      {
        state: stateOf([], {
          directive: 4,
          refused: { code: 'signature', message: 'signed by nobody' },
        }),
      },
      { status: 'refused', code: 'signature', waitsFor: /signed by nobody/ },
    ],
    [
      'that is to remove the app',
      { directive: directiveOf('pi-7', [], 6) },
      { status: 'removing', waitsFor: /to remove the app/ },
    ],
  ])('%s', (_, over, expected) => {
    const { nodes, done } = rolloutOf('greenhouse', [node(over)])
    const { waitsFor, ...rest } = expected
    expect(nodes).toMatchObject([rest])
    if (waitsFor === null) expect(nodes[0]!.waitsFor).toBeNull()
    else expect(nodes[0]!.waitsFor).toMatch(waitsFor)
    expect(done).toBe(waitsFor === null)
  })

  it('that the app does not concern is not in the view', () => {
    const away = node({ node: 'pi-9', directive: directiveOf('pi-9', []), state: stateOf([]) })
    expect(rolloutOf('greenhouse', [away, node({ node: 'pi-8' }), node()]).nodes.map((view) => view.node)).toEqual([
      'pi-7',
      'pi-8',
    ])
    expect(rolloutOf('greenhouse', [away])).toMatchObject({ done: true, nodes: [], epoch: 0 })
  })
})

it('A rollout that is not done always says what it waits for', () => {
  const anyNode = fc.record({
    online: fc.boolean(),
    directive: fc.option(fc.constantFrom(directive, directiveOf('pi-7', [], 6)), { nil: null }),
    state: fc.option(
      fc
        .record({
          directive: fc.constantFrom(0, 4, 5, 6, 7),
          section: fc.option(
            fc.record({
              epoch: fc.constantFrom(0, 1, 2, 3),
              release: fc.constantFrom(digest(1), digest(7)),
              status: fc.constantFrom('receiving', 'preparing', 'trial', 'confirmed', 'reverted', 'refused'),
            }),
            { nil: null },
          ),
        })
        .map((made) =>
          stateOf(made.section ? [reported(made.section as Partial<SectionState>)] : [], { directive: made.directive }),
        ),
      { nil: null },
    ),
    progress: fc.option(fc.constant(progress), { nil: null }),
  })
  fc.assert(
    fc.property(fc.array(anyNode, { maxLength: 4 }), (nodes) => {
      const view = rolloutOf(
        'greenhouse',
        nodes.map((made, index) => node({ ...made, node: `pi-${index}` })),
      )
      for (const { status, waitsFor } of view.nodes) expect(waitsFor === null).toBe(status === 'confirmed')
      expect(view.done).toBe(view.nodes.every(({ waitsFor }) => waitsFor === null))
    }),
  )
})
