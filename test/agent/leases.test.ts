import type { HyphaError } from '@hypha/core/errors.ts'
import { leaseAnswer, leaseAsk } from '@hypha/core/wire/messages/lease.ts'
import { fleetTopics } from '@hypha/core/wire/topics.ts'
import { expect, test } from 'vitest'
import { Leases, type WantedLease } from '../../agent/leases.ts'
import type { LinkState } from '../../agent/link/link.ts'
import { FakeClock } from '../support/fake-clock.ts'

// What a node asks for, when, and what it takes for an answer.

const topics = fleetTopics('garden')
const beat = { app: 'heart', module: 'beat', home: null }

function open() {
  const clock = new FakeClock()
  const asks: ReturnType<typeof leaseAsk.decode>[] = []
  const problems: HyphaError['code'][] = []
  const wanted: WantedLease[] = []
  let state: LinkState = 'online'
  let sleptMs = 0
  let hear: (topic: string, bytes: Uint8Array) => void = () => undefined
  let onState: (state: LinkState) => void = () => undefined
  let random = 0
  const leases = new Leases({
    node: 'edge-1',
    topics,
    clock,
    uptime: { uptime: () => clock.monotonic() + sleptMs, uptimeStepMs: 0 },
    random: (bytes) => new Uint8Array(bytes).fill(++random % 256),
    forMs: 3_000,
    wanted: () => wanted,
    onProblem: ({ code }) => problems.push(code),
    link: {
      get state() {
        return state
      },
      onState: (listener) => {
        onState = listener
        return () => undefined
      },
      publish: async (topic, bytes) => {
        expect(topic).toBe(topics.up('edge-1', 'lease'))
        asks.push(leaseAsk.decode(bytes))
      },
      subscribe: (_filter, handler) => {
        hear = handler
        return () => undefined
      },
    },
  })
  const link = (now: LinkState) => {
    state = now
    onState(now)
  }
  return {
    clock,
    asks,
    problems,
    wanted,
    leases,
    link,
    sleep: (ms: number) => {
      sleptMs += ms
    },
    hear: (bytes: Uint8Array) => hear('', bytes),
    want: (epoch: number) => {
      wanted.splice(0, 1, { key: beat, epoch })
      leases.review()
    },
    grant: (ask = asks.at(-1)!, granted = [0]) =>
      hear('', leaseAnswer.encode({ nonce: ask.nonce, forMs: ask.forMs, granted })),
  }
}

test('It asks as soon as the directive wants something, again at a third of the time, and counts from before it asked', () => {
  const { clock, asks, want, grant, leases } = open()
  expect(asks).toEqual([])
  want(4)
  expect(asks).toMatchObject([{ forMs: 3_000, instances: [{ ...beat, epoch: 4 }] }])
  const gate = leases.gate([beat])
  clock.advance(900)
  grant(asks[0])
  expect(gate.held).toBe(true)
  clock.advance(2_090)
  expect(gate.held).toBe(true)
  clock.advance(10)
  expect(gate.held).toBe(false)
})

test('Renewed in time it never runs out; with nothing wanted it asks once more, and then no more', () => {
  const { clock, asks, want, grant, leases, wanted } = open()
  want(1)
  const gate = leases.gate([beat])
  for (let round = 0; round < 30; round++) {
    grant()
    clock.advance(500)
    expect(gate.held).toBe(true)
  }
  expect(asks.length).toBeGreaterThan(10)
  expect(asks.length).toBeLessThan(25)
  wanted.length = 0
  leases.review()
  expect(asks.at(-1)!.instances).toEqual([])
  const count = asks.length
  clock.advance(60_000)
  expect(asks).toHaveLength(count)
})

test('What runs is named until it has ended, also where the directive wants it no more; then it is let go, and no late answer gives it back', () => {
  const { asks, want, grant, leases, wanted } = open()
  want(1)
  const [first] = asks
  const gate = leases.gate([beat])
  const ended = gate.begin()
  wanted.length = 0
  leases.review()
  expect(asks.at(-1)!.instances).toMatchObject([{ module: 'beat', epoch: 0 }])
  ended()
  expect(asks.at(-1)!.instances).toEqual([])
  want(2)
  grant(first)
  expect(gate.held).toBe(false)
  grant()
  expect(gate.held).toBe(true)
})

test('A machine that sleeps has nothing left when it wakes up, though its timers and its own clock stood still', () => {
  const { want, grant, leases, sleep } = open()
  want(1)
  const gate = leases.gate([beat])
  grant()
  expect(gate.held).toBe(true)
  sleep(5_000)
  expect(gate.held).toBe(false)
})

test('Answers to other questions, and bytes that are none, grant nothing', () => {
  const { want, hear, grant, leases, asks, problems } = open()
  want(1)
  const gate = leases.gate([beat])
  hear(leaseAnswer.encode({ nonce: new Uint8Array(8).fill(99), forMs: 60_000, granted: [0] }))
  hear(new Uint8Array([1, 2, 3]))
  grant(asks[0], [7])
  expect(gate.held).toBe(false)
  expect(problems).toEqual(['bytes-malformed'])
})

test('Without a connection nothing is asked; with one it is asked at once, and whoever runs is told of what changes', () => {
  const { clock, asks, want, grant, leases, link } = open()
  link('offline')
  want(1)
  expect(asks).toEqual([])
  link('online')
  expect(asks).toHaveLength(1)
  const told: boolean[] = []
  const gate = leases.gate([beat])
  gate.onChange(() => told.push(gate.held))
  grant()
  link('offline')
  clock.advance(10_000)
  expect(told[0]).toBe(true)
  expect(told.at(-1)).toBe(false)
})
