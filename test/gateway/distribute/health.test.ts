import { expect, test } from 'vitest'
import { judgeHealth, type NodeObservation } from '../../../gateway/distribute/health.ts'

const bounds = [{ module: 'smooth', metric: 'value', min: 0, max: 100 }]
const running = { module: 'smooth', home: null, status: 'running', restarts: 0, error: null } as const
const seen = (changes: Partial<NodeObservation> = {}): NodeObservation => ({
  node: 'pi-7',
  instances: [running],
  missedTicks: [],
  values: [{ module: 'smooth', home: null, metric: 'value', value: 50 }],
  ...changes,
})
const judge = (...nodes: NodeObservation[]) => judgeHealth(bounds, { nodes })
const valued = (value: number, home: string | null = null) =>
  seen({ values: [{ module: 'smooth', home, metric: 'value', value }] })

test('An app that runs, ticks and keeps within its bounds is well', () => {
  expect(judge(seen(), valued(0), valued(100))).toBeNull()
  expect(judge()).toBeNull()
})

test('Metrics that nobody watches, and modules that emit nothing, make no app ill', () => {
  expect(judge(seen({ values: [{ module: 'smooth', home: null, metric: 'other', value: 1e9 }] }))).toBeNull()
  expect(judge(seen({ values: [] }))).toBeNull()
})

test.each<[string, NodeObservation]>([
  ['smooth on pi-7 trapped 2 times since the flip', seen({ instances: [{ ...running, restarts: 2 }] })],
  [
    'smooth on pi-7 trapped 2 times since the flip (unreachable)',
    seen({ instances: [{ ...running, status: 'backoff', restarts: 1, error: 'unreachable' }] }),
  ],
  [
    'smooth on pi-7 has failed (no memory)',
    seen({ instances: [{ ...running, status: 'failed', restarts: 5, error: 'no memory' }] }),
  ],
  [
    'smooth on pi-7 missed 14 ticks since the flip',
    seen({ missedTicks: [{ module: 'smooth', home: 'pi-7', count: 14 }] }),
  ],
  ['smooth.value on pi-7 is 312, above 100', valued(312)],
  ['smooth.value of pi-3 on pi-7 is -1, below 0', valued(-1, 'pi-3')],
  ['smooth.value on pi-7 is no number', valued(Number.NaN)],
])('%s', (sentence, node) => {
  expect(judge(node)).toBe(sentence)
})

test('A tick that the flip itself may have cost is forgiven', () => {
  expect(judge(seen({ missedTicks: [{ module: 'smooth', home: null, count: 2 }] }))).toBeNull()
})

test('A trap is forgiven once, for a turn may overrun its deadline on a busy machine', () => {
  expect(judge(seen({ instances: [{ ...running, status: 'backoff', restarts: 0 }] }))).toBeNull()
  expect(judge(seen({ instances: [{ ...running, restarts: 1 }] }))).toBeNull()
})

test('Bounds may be open on one side', () => {
  const { nodes } = { nodes: [valued(1e6)] }
  expect(judgeHealth([{ module: 'smooth', metric: 'value', min: 0, max: null }], { nodes })).toBeNull()
  expect(judgeHealth([{ module: 'smooth', metric: 'value', min: null, max: 10 }], { nodes })).toMatch(/above 10/)
})

test('As many nodes may be ill as the failure threshold allows', () => {
  const nodes = [...Array.from({ length: 9 }, () => seen()), valued(312)]
  expect(judgeHealth(bounds, { nodes }, 10)).toBeNull()
  expect(judgeHealth(bounds, { nodes }, 9)).toMatch(/above 100/)
})

test('Of many ill nodes only the first are named', () => {
  const nodes = Array.from({ length: 12 }, () => valued(200))
  expect(judge(...nodes)).toMatch(/^smooth.value on pi-7 is 200, above 100; .*; and 9 more nodes are ill$/)
})
