import { expect, test } from 'vitest'
import { type FlipTime, flippedLine, spreadLines } from '../../../gateway/admin/cli/spread.ts'

const flip = (flippedMs: number, changes: Partial<FlipTime> = {}): FlipTime => ({
  wave: 0,
  instantMs: 1_000,
  flippedMs,
  errorMs: 0.4,
  pauseMs: 1,
  late: false,
  ...changes,
})

test('Nodes that flipped at one instant are one sentence: how far apart, and how well their clocks are known', () => {
  expect(flippedLine([flip(1_000.2), flip(1_004.3, { errorMs: 1.3 }), flip(1_001)])).toBe(
    '3 nodes flipped within 4.1 ms, each clock known to ± 1.3 ms.',
  )
})

test('A node alone is compared with nobody', () => {
  expect([flippedLine([]), flippedLine([flip(1_000)])]).toEqual([null, null])
})

test('Waves, who was late, and who ended at the flip each have a line of their own', () => {
  const times = [
    flip(2_000.5, { wave: 1, instantMs: 2_000 }),
    flip(1_000.5),
    flip(1_001),
    flip(5_000, { late: true }),
    flip(1_000, { pauseMs: null, errorMs: 3_000 }),
  ]
  expect(spreadLines(times)).toEqual([
    'Wave 1: 2 nodes within 0.5 ms, each clock known to ± 0.4 ms.',
    'Wave 2: 1 node within 0.0 ms, each clock known to ± 0.4 ms.',
    'Late: 1, which flipped when they heard of it, within 0.0 ms.',
    'Cut short: 1, whose agent ended at the flip and went on with the new release.',
  ])
  expect(flippedLine(times)).toBe(spreadLines(times).join('\n'))
})
