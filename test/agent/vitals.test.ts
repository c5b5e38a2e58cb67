import { expect, test } from 'vitest'
import { tellVitals } from '../../agent/vitals.ts'
import { vitals } from '../../src/wire/messages/vitals.ts'
import { FakeClock } from '../support/fake-clock.ts'

function started() {
  const clock = new FakeClock()
  const told: number[] = []
  const state = { level: 80, online: true }
  const reader = {
    read: async () => ({
      battery: { value: state.level, bound: 20, clear: 30, forMs: 0 },
      freeMemory: null,
      cpu: null,
    }),
    close: () => undefined,
  }
  const stop = tellVitals(
    reader,
    clock,
    async (message) => {
      if (!state.online) throw new Error('offline')
      told.push(vitals.decode(message).battery!.value)
    },
    (thrown) => {
      throw thrown
    },
  )
  /** Two seconds, with all that is done in them. */
  const passes = async (times = 1) => {
    for (let count = 0; count < times; count++) {
      clock.advance(2_000)
      for (let step = 0; step < 10; step++) await Promise.resolve()
    }
  }
  return { state, told, passes, stop, clock }
}

test('What stays the same is told once a minute', async () => {
  const { told, passes } = started()
  await passes(100)
  expect(told.length).toBeGreaterThanOrEqual(4)
  expect(told.length).toBeLessThanOrEqual(5)
})

test('A large change is told, a small one is not, and that a bound is passed always is', async () => {
  const { state, told, passes } = started()
  await passes()
  for (state.level of [78, 76, 60, 58]) await passes()
  expect(told).toEqual([80, 60])
  for (state.level of [31, 29.5, 20, 19.9, 20.1]) await passes()
  expect(told).toEqual([80, 60, 31, 29.5, 20, 19.9, 20.1])
})

test('What could not be told is told when the node is online again', async () => {
  const { state, told, passes } = started()
  state.online = false
  await passes(3)
  state.online = true
  await passes()
  expect(told).toEqual([80])
})

test('Nothing is read after its end', async () => {
  const { told, passes, stop, clock } = started()
  await passes()
  stop()
  await passes(50)
  expect([told.length, clock.waiting]).toEqual([1, 0])
})
