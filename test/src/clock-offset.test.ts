import { ClockOffset } from '@hypha/core/clock-offset.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expectCode } from '../support/signed.ts'

/** A clock that runs ppm too fast, and shows `offsetMs` when the true time is 0. */
const clockOf = (offsetMs: number, ppm: number) => (trueMs: number) => offsetMs + trueMs * (1 + ppm / 1e6)
const delay = fc.double({ min: 0, max: 2_000, noNaN: true })
const ppm = fc.double({ min: -100, max: 100, noNaN: true })
const offset = fc.double({ min: -1e10, max: 1e10, noNaN: true })

const measured = fc.record({
  own: fc.tuple(offset, ppm),
  gateway: fc.tuple(offset, ppm),
  samples: fc.array(fc.record({ pause: fc.double({ min: 0, max: 1e6, noNaN: true }), there: delay, back: delay }), {
    minLength: 1,
    maxLength: 20,
  }),
  later: fc.double({ min: 0, max: 1e7, noNaN: true }),
})

test('the bound is never below the true error, under any delays and drifts, at once and later', () => {
  fc.assert(
    fc.property(measured, ({ own, gateway, samples, later }) => {
      const [ownAt, gatewayAt] = [clockOf(...own), clockOf(2e12 + gateway[0], gateway[1])]
      const clock = new ClockOffset()
      const check = (now: number) => {
        const { offsetMs, errorMs } = clock.at(ownAt(now))!
        expect(Math.abs(gatewayAt(now) - ownAt(now) - offsetMs)).toBeLessThanOrEqual(errorMs)
      }
      let now = 0
      for (const { pause, there, back } of samples) {
        const sent = now + pause
        now = sent + there + back
        clock.add({ sentAt: ownAt(sent), gatewayMs: gatewayAt(sent + there), receivedAt: ownAt(now) })
        check(now)
      }
      check(now + later)
    }),
    { numRuns: 500 },
  )
})

test('the bound is at most half the round trip of each answer, and what 200 ppm make of its age', () => {
  fc.assert(
    fc.property(measured, ({ own, gateway, samples }) => {
      const [ownAt, gatewayAt] = [clockOf(...own), clockOf(2e12 + gateway[0], gateway[1])]
      const clock = new ClockOffset()
      const bounds: { at: number; halfMs: number }[] = []
      let now = 0
      for (const { pause, there, back } of samples) {
        const sent = now + pause
        now = sent + there + back
        clock.add({ sentAt: ownAt(sent), gatewayMs: gatewayAt(sent + there), receivedAt: ownAt(now) })
        bounds.push({ at: ownAt(sent), halfMs: (ownAt(now) - ownAt(sent)) / 2 })
        const allowed = bounds.map(({ at, halfMs }) => halfMs + (ownAt(now) - at) * 200.03e-6 + 0.01)
        expect(clock.at(ownAt(now))!.errorMs).toBeLessThanOrEqual(Math.min(...allowed))
      }
    }),
  )
})

test('delays that are short on the way there for one answer, and on the way back for another, make the bound shorter than either', () => {
  const clock = new ClockOffset()
  clock.add({ sentAt: 0, gatewayMs: 1_001, receivedAt: 101 })
  clock.add({ sentAt: 101, gatewayMs: 1_201, receivedAt: 202 })
  const { offsetMs, errorMs, rttMs } = clock.at(202)!
  expect(offsetMs).toBeCloseTo(1_000, 0)
  expect(errorMs).toBeLessThan(1.1)
  expect(rttMs).toBe(101)
})

test('an answer that contradicts all before it, as after a sleep of the machine, begins anew', () => {
  const clock = new ClockOffset()
  clock.add({ sentAt: 0, gatewayMs: 1_000, receivedAt: 2 })
  clock.add({ sentAt: 10, gatewayMs: 9_000, receivedAt: 30 })
  expect(clock.at(30)!.offsetMs).toBeCloseTo(8_980, 1)
  expect(clock.at(30)!.rttMs).toBe(20)
})

test('nothing is known before the first answer, and no number that a clock does not say is taken', () => {
  const clock = new ClockOffset()
  expect(clock.at(0)).toBeNull()
  for (const gatewayMs of [Number.NaN, Number.POSITIVE_INFINITY]) {
    expectCode('message-malformed', () => clock.add({ sentAt: 0, gatewayMs, receivedAt: 1 }))
  }
  expectCode('message-malformed', () => clock.add({ sentAt: 2, gatewayMs: 5, receivedAt: 1 }))
  expect(clock.at(0)).toBeNull()
})
