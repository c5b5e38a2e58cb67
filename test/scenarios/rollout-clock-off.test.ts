import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { spawnAgentAt } from './node-support.ts'
import { inState, ticking, twoNodes, versioned } from './rollout-support.ts'
import { writeApp } from './support.ts'

// A node whose clock is an hour off flips at the same instant as one whose clock is right: both go by the gateway's. [P 10.5]

interface Signed {
  readonly node: string
  readonly to: { readonly epoch: number }
  readonly instantMs: number
  readonly flippedMs: number
  readonly errorMs: number
  readonly late: boolean
}

let fleet: Fleet

const app = (version: number) => writeApp(fleet, 'app', ticking, { main: versioned(version) })

beforeAll(async () => {
  fleet = await Fleet.start()
  await twoNodes(fleet, 'app')
})
afterAll(() => fleet.stop())

for (const [offset, version] of [
  ['+1h', 2],
  ['-1h', 3],
] as const) {
  test(`With a clock that is ${offset} off a node flips by the gateway's clock, and its receipt says so`, async () => {
    await fleet.agents.get('pi-2')!.end()
    await spawnAgentAt(fleet, 'pi-2', offset).line(/connected/)
    const { epoch } = await fleet.json<{ epoch: number }>(['push', '--snap', '--no-wait', app(version)])
    await inState(fleet, 'app', version, 'done')
    const receipts = await eventually('both receipts', async () => {
      const { code, stdout } = await fleet.tryHypha(['receipt', 'app', '--epoch', `${epoch}`, '--json'])
      if (code !== 0) return
      const found = JSON.parse(stdout) as Signed[]
      return found.length === 2 ? found : undefined
    })
    for (const { instantMs, flippedMs, errorMs } of receipts) {
      expect(flippedMs).toBeGreaterThanOrEqual(instantMs - 1)
      // A bound of milliseconds, however far the node's own clock is off: and so no hour before or after the instant.
      expect(flippedMs - instantMs).toBeLessThan(60_000)
      expect(errorMs).toBeLessThan(60_000)
    }
    expect(new Set(receipts.map(({ instantMs }) => instantMs)).size).toBe(1)
  })
}
