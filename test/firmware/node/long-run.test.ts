import { afterEach, expect, it } from 'vitest'
import { boards, samplesOf } from './board.ts'
import { samplers } from './modules.ts'
import { activate, deliver, makePush } from './story.ts'

const { newBoard, cleanUp } = boards()
afterEach(cleanUp)

// On a board whose clock goes fast. Where a tick left a byte behind, a module with a heap of a few kilobytes would have trapped long before.
it('The sampler ticks 10,000 times on a board in the memory that it came with, with lists and texts both ways', {
  timeout: 120_000,
}, async () => {
  const { board } = newBoard('--hurry', '50', '--sensor', 'outdoor=18.5', '--sensor', 'soil=12')
  await board.start()
  const push = makePush(samplers.old, { spec: { timerMs: 20 } })
  await deliver(board, push)
  expect(await activate(board, push)).toBe('ok')
  const state = await board.state(({ running: [one] }) => (one?.turns ?? 0) >= 10_000)
  expect(state.running).toMatchObject([{ status: 'running', restarts: 0, error: null }])
  expect([...samplesOf(board.reports).values()][0]!.size).toBeGreaterThan(0)
})
