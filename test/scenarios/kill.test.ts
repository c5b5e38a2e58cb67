import { expect, test } from 'vitest'
import { killRun } from '../../bench/kill.ts'

test('numbers that a module emitted are stored exactly once, however gateway, agent and link are killed', async () => {
  const seed = Math.floor(Math.random() * 1e9)
  const { samples, lost, doubled } = await killRun({
    seed,
    gatewayKills: 3,
    agentKills: 3,
    linkCuts: 3,
    longestLifeMs: 3_000,
  })
  expect({ lost, doubled }, `seed ${seed}`).toEqual({ lost: 0, doubled: 0 })
  expect(samples).toBeGreaterThan(0)
}, 180_000)
