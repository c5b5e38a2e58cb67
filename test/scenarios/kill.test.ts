import { expect, test } from 'vitest'
import { killRun } from '../../bench/kill.ts'

test('numbers that a module emitted are stored exactly once, however gateway, agent and link are killed', async () => {
  const { samples, lost, doubled } = await killRun({
    seed: 1,
    gatewayKills: 3,
    agentKills: 3,
    linkCuts: 3,
    longestLifeMs: 3_000,
  })
  expect({ lost, doubled }).toEqual({ lost: 0, doubled: 0 })
  expect(samples).toBeGreaterThan(0)
})
