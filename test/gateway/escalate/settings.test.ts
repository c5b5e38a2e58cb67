import { expect, test } from 'vitest'
import { defaultPolicy } from '../../../gateway/escalate/policy.ts'
import { policyOf } from '../../../gateway/escalate/settings.ts'

const bad = (what: string) => new Error(what)

test('Without a table, and for what it leaves out, it is as usual', () => {
  expect(policyOf(undefined, bad)).toEqual(defaultPolicy)
  expect(policyOf({ hold: '10s', calm: '500ms' }, bad)).toEqual({ ...defaultPolicy, faultHoldMs: 10_000, calmMs: 500 })
})

test.each([
  [3, 'escalation should be a table'],
  [{ hold: 3 }, 'escalation.hold should be a time such as'],
  [{ settle: '1000h' }, 'of at most 31 days'],
  [{ constructor: '1s' }, 'escalation.constructor is not known here: there are hold, vital-hold'],
  [{ hold: '2h', 'max-hold': '1h' }, 'escalation.max-hold should not be less than the first hold'],
])('%j is refused', (table, message) => {
  expect(() => policyOf(table, bad)).toThrow(message)
})
