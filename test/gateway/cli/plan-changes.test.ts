import { expect, test } from 'vitest'
import { describeChanges, describeMeasured } from '../../../gateway/admin/cli/plan-changes.ts'
import { costOf, linkCostOf, planChanges } from '../../../gateway/place/what-if.ts'
import type { MeasuredTraffic } from '../../../gateway/plan.ts'
import { irrigation, node, planOf } from '../place/fleets.ts'

const fleet = [
  node('pi-7'),
  node('pi-8'),
  node('cloud-1', { tier: 'cloud', interfaces: ['sql', 'http', 'kv'].map((name) => `hypha:host/${name}@0.1.0`) }),
]
const running = planOf(irrigation(), fleet)
const link = { caller: 'smooth', callee: 'advisor', interface: 'plants:app/advice@0.1.0', bytesPerS: 4_000 }

/** What the gateway answers when so many calls a second were counted, by both devices. */
function measuredAt(callsPerS: number) {
  const traffic: MeasuredTraffic[] = callsPerS === 0 ? [] : [{ ...link, callsPerS }]
  const plan = planOf(irrigation(), fleet, running, traffic)
  const cost = (of: typeof plan) => linkCostOf(of, plan.traffic)
  return { plan, changes: planChanges(running, plan), costBefore: cost(running), costAfter: cost(plan) }
}

test('Changes that are alike are told once', () => {
  const plan = planOf(irrigation(), fleet.slice(0, 2))
  const text = describeChanges({
    plan,
    changes: planChanges(running, plan),
    costBefore: costOf(running),
    costAfter: costOf(plan),
  })
  expect(text).toContain(
    'sampler of pi-7, sampler of pi-8: each → no place\n  calls smooth, which has no place for each',
  )
})

test('Traffic that makes another place cheaper is proposed, with the hints that make it so', () => {
  const text = describeMeasured(measuredAt(40))
  expect(text).toContain('smooth of pi-7, smooth of pi-8: each → cloud-1')
  expect(text).toContain('  [module.smooth.link."plants:app/advice"]\n  rate = "20/s"\n  bytes = "100B"')
})

test('Where nothing was counted, or little is to be gained, nothing is proposed', () => {
  expect(describeMeasured(measuredAt(0))).toBe(
    'greenhouse 1: no link between its modules has left its cell in the last minute.',
  )
  expect(describeMeasured(measuredAt(0.5))).toMatch(/^greenhouse 1: nothing is worth a move: its links cost /)
})
