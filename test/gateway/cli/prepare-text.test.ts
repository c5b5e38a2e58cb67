import { expect, test } from 'vitest'
import type { RolloutView } from '../../../gateway/admin/api/schemas/apps.ts'
import { prepareText, unpreparedOf } from '../../../gateway/admin/cli/prepare-text.ts'

type Node = RolloutView['nodes'][number]

const node = (name: string, status: Node['status'], changes: Partial<Node> = {}): Node => ({
  node: name,
  online: true,
  epoch: 2,
  status,
  bytes: 0,
  ofBytes: 0,
  code: null,
  message: null,
  reportedAt: 1,
  waitsFor: null,
  ...changes,
})

const view = (phases: RolloutView['phases'], ...nodes: Node[]): RolloutView => ({
  app: 'greenhouse',
  release: 2,
  epoch: 2,
  phases,
  done: false,
  nodes,
})

test('Nothing is said where every node comes to the release, or is on its way', () => {
  expect(prepareText(view(null, node('pi-1', 'confirmed'), node('pi-2', 'receiving', { waitsFor: 'waits' })))).toBe('')
})

test('Below a plan stands which node can not come to the release, and why, in words', () => {
  const phases = { release: 2, state: 'preparing' as const, waitsFor: 'waits for pi-2', why: null }
  const refused = node('pi-1', 'refused', { code: 'state-refused', message: 'the state is too old' })
  const full = {
    message: 'no space left on device',
    waitsFor: 'waits for pi-2 to take directive 4: no space left on device',
  }
  const text = prepareText(view(phases, refused, node('pi-2', 'waiting', full), node('pi-3', 'prepared')), 60)
  expect(text.split('\n')).toEqual([
    'not on every node, because',
    '  pi-1 is refused: the state is too old',
    '  it waits for pi-2 to take directive 4: no space left on',
    '    device',
  ])
})

test('For programs each such node stands with its code and its words', () => {
  const refused = node('pi-1', 'refused', { code: 'state-refused', message: 'the state is too old' })
  const full = { code: 'disk-full', message: 'no space left on device', waitsFor: 'waits for pi-2 to take directive 4' }
  const silent = node('pi-4', 'not-flipped', { code: 'swap-over-budget' })
  const nodes = [refused, node('pi-2', 'waiting', full), node('pi-3', 'prepared'), silent]
  expect(unpreparedOf({ nodes })).toEqual([
    { node: 'pi-1', status: 'refused', code: 'state-refused', text: 'the state is too old' },
    { node: 'pi-2', status: 'waiting', code: 'disk-full', text: 'no space left on device' },
    { node: 'pi-4', status: 'not-flipped', code: 'swap-over-budget', text: 'swap-over-budget' },
  ])
})

test('What became of the whole of it comes first', () => {
  const phases = {
    release: 2,
    state: 'aborted' as const,
    waitsFor: null,
    why: 'pi-1 is refused (too old); 2 of 2 must',
  }
  expect(prepareText(view(phases, node('pi-1', 'confirmed')))).toMatch(/\n {2}release 2 is aborted: pi-1 is refused/)
})
