import { setImmediate as turn } from 'node:timers/promises'
import { HyphaError } from '@hypha/core/errors.ts'
import { timeAnswer, timeAsk } from '@hypha/core/wire/messages/time.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { expect, test } from 'vitest'
import { type GatewayClock, openGatewayClock } from '../../agent/clock-sync.ts'
import type { LinkHandler, LinkState } from '../../agent/link/link.ts'
import { FakeClock } from '../support/fake-clock.ts'

const topics = fleetTopics('garden')

/** A node on a fake clock, and a gateway that is `aheadMs` of it and answers after delays. */
class World {
  readonly clock = new FakeClock()
  aheadMs = 5_000
  thereMs = 2
  backMs = 2
  silent: boolean
  state: LinkState = 'online'
  asked = 0
  readonly problems: HyphaError[] = []
  #handler: LinkHandler = () => undefined
  #listener: (state: LinkState) => void = () => undefined
  readonly #soon: (() => void)[] = []
  readonly gatewayClock: GatewayClock

  constructor(silent = false) {
    this.silent = silent
    const world = this
    this.gatewayClock = openGatewayClock({
      node: 'pi-7',
      topics,
      clock: this.clock,
      onProblem: (error) => this.problems.push(error),
      soon: (run) => this.#soon.push(run),
      link: {
        get state() {
          return world.state
        },
        onState: (listener) => {
          this.#listener = listener
          return () => undefined
        },
        subscribe: (_filter, handler) => {
          this.#handler = handler
          return () => undefined
        },
        publish: async (topic, payload) => {
          expect(topic).toBe(topics.up('pi-7', 'time'))
          if (this.state === 'offline') throw new HyphaError('link-offline', 'cut')
          this.asked++
          if (!this.silent) this.clock.after(this.thereMs, () => this.answer(timeAsk.decode(payload).number))
        },
      },
    })
  }

  answer(number: number): void {
    const nowMs = this.clock.monotonic() + this.aheadMs
    this.clock.after(this.backMs, () => this.say(timeAnswer.encode({ number, nowMs })))
  }

  say(bytes: Uint8Array): void {
    this.#handler(topics.down('pi-7', 'time'), bytes)
  }

  link(state: LinkState): void {
    this.state = state
    this.#listener(state)
  }

  /** Lets time pass in small steps, so that what waits on promises comes to its turn. */
  async pass(ms: number, stepMs = 1): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.clock.advance(stepMs)
      await turn()
      for (const run of this.#soon.splice(0)) run()
    }
  }
}

test('after each connect a node asks eight times, one after the other, and knows the offset within its bound', async () => {
  const world = new World()
  expect(world.gatewayClock.estimate()).toBeNull()
  await world.pass(100)
  expect(world.asked).toBe(8)
  const { offsetMs, errorMs, rttMs } = world.gatewayClock.estimate()!
  expect(Math.abs(offsetMs - 5_000)).toBeLessThanOrEqual(errorMs)
  expect(errorMs).toBeLessThan(2.1)
  expect(rttMs).toBe(4)
})

test('another gateway with another clock is measured anew after a connect, and not mixed with the former', async () => {
  const world = new World()
  await world.pass(100)
  world.link('offline')
  world.aheadMs = 5_001.5
  world.link('online')
  expect(world.gatewayClock.estimate()!.offsetMs).toBeCloseTo(5_000, 0)
  await world.pass(100)
  expect(world.asked).toBe(16)
  expect(world.gatewayClock.estimate()!.offsetMs).toBeCloseTo(5_001.5, 1)
})

test('a clock that is known to a millisecond after three answers is not asked any further', async () => {
  const world = new World()
  world.thereMs = 0
  world.backMs = 1
  await world.pass(100)
  expect(world.asked).toBe(3)
  expect(world.gatewayClock.estimate()!.errorMs).toBeLessThan(1)
})

test('the round trip that is told is the worst of the newest measurement, and the bound rests on the best of all', async () => {
  const world = new World()
  await world.pass(100)
  world.thereMs = 30
  const measured = world.gatewayClock.measure()
  await world.pass(40)
  world.thereMs = 40
  await world.pass(45)
  world.thereMs = 35
  await world.pass(500)
  await measured
  const { rttMs, errorMs } = world.gatewayClock.estimate()!
  expect(rttMs).toBe(42)
  expect(errorMs).toBeLessThan(2.3)
})

test('without answers a measurement ends by itself, and another begins ten minutes later', async () => {
  const world = new World(true)
  const measured = world.gatewayClock.measure()
  await world.pass(2_100, 10)
  await measured
  expect(world.asked).toBe(2)
  world.silent = false
  await world.pass(601_000, 1_000)
  expect(world.asked).toBeGreaterThan(2)
})

test('what is to happen at an instant happens then by the gateway’s clock, and not before', async () => {
  const world = new World()
  await world.pass(100)
  let ranAt: number | null = null
  world.gatewayClock.after(world.clock.monotonic() + world.aheadMs + 1_000, () => {
    ranAt = world.clock.monotonic()
  })
  await world.pass(999)
  expect(ranAt).toBeNull()
  await world.pass(3)
  expect(ranAt).toBeGreaterThanOrEqual(1_099.9)
  expect(ranAt).toBeLessThanOrEqual(1_102)
})

test('an instant that has passed means soon, but not within the call', async () => {
  const world = new World()
  await world.pass(100)
  let ran = false
  world.gatewayClock.after(0, () => {
    ran = true
  })
  expect(ran).toBe(false)
  await world.pass(1)
  expect(ran).toBe(true)
})

test('who waits without an estimate waits for the first, and the node asks again soon', async () => {
  const world = new World(true)
  let ran = false
  world.gatewayClock.after(1, () => {
    ran = true
  })
  await world.pass(3_000, 10)
  expect(ran).toBe(false)
  world.silent = false
  await world.pass(6_000, 10)
  expect(ran).toBe(true)
})

test('a wait is armed anew when the estimate changes', async () => {
  const world = new World()
  await world.pass(100)
  let ranAt: number | null = null
  world.gatewayClock.after(world.clock.monotonic() + world.aheadMs + 1_000, () => {
    ranAt = world.clock.monotonic()
  })
  world.aheadMs = 5_500
  world.link('offline')
  world.link('online')
  await world.pass(700)
  expect(ranAt).toBeGreaterThanOrEqual(599)
  expect(ranAt).toBeLessThanOrEqual(603)
})

test('a wait that was cancelled does not run, and nothing runs or asks once the clock is closed', async () => {
  const world = new World()
  await world.pass(100)
  let runs = 0
  const cancel = world.gatewayClock.after(world.clock.monotonic() + world.aheadMs + 50, () => runs++)
  world.gatewayClock.after(world.clock.monotonic() + world.aheadMs + 50, () => runs++)
  cancel()
  await world.pass(60)
  expect(runs).toBe(1)
  world.gatewayClock.after(world.clock.monotonic() + world.aheadMs + 50, () => runs++)
  world.gatewayClock.close()
  const { asked } = world
  await world.pass(700_000, 10_000)
  expect([runs, world.asked]).toEqual([1, asked])
})

test('answers that were not asked for, or are no answers, change nothing', async () => {
  const world = new World()
  await world.pass(100)
  const before = world.gatewayClock.estimate()
  world.say(timeAnswer.encode({ number: 99, nowMs: 1 }))
  world.say(Uint8Array.of(0xa0))
  expect(world.gatewayClock.estimate()).toEqual(before)
  expect(world.problems.map(({ code }) => code)).toEqual(['message-malformed'])
})
