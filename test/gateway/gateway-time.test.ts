import { timeAnswer, timeAsk } from '@hypha/core/wire/messages/time.ts'
import { expect, test } from 'vitest'
import { createTimeAnswers, nowMs } from '../../gateway/gateway-time.ts'
import { expectCode } from '../support/signed.ts'

const ask = (number: number) => timeAsk.encode({ number })

test('the answer bears the number of the question and the time at which it was read', () => {
  const answers = createTimeAnswers(() => 1_767_225_600_000.25)
  expect(timeAnswer.decode(answers('pi-7', ask(9))!)).toEqual({ number: 9, nowMs: 1_767_225_600_000.25 })
})

test('who asks without end gets no more answers than a measurement needs, and others get theirs', () => {
  let now = 0
  const answers = createTimeAnswers(() => now)
  const answered = (node: string, count: number) =>
    Array.from({ length: count }, (_, number) => answers(node, ask(number))).filter((answer) => answer !== null).length
  expect(answered('pi-7', 1_000)).toBe(64)
  expect(answered('pi-8', 8)).toBe(8)
  now = 1_000
  expect(answered('pi-7', 1_000)).toBe(10)
})

test('bytes that are no question are refused', () => {
  expectCode('message-malformed', () => createTimeAnswers()('pi-7', Uint8Array.of(0xa0)))
})

test('the clock is the time since 1970, and goes on within a millisecond', () => {
  const first = nowMs()
  let next = nowMs()
  while (next === first) next = nowMs()
  expect(next).toBeGreaterThan(first)
})
