import { expect, test } from 'vitest'
import { type Channel, channels } from '../../../firmware-bridge/frames/frame.ts'
import type { Limits } from '../../../firmware-bridge/frames/hello.ts'
import { chance, type Delivered, type EndBehaviour, type LineBehaviour, type Offered, TwoEnds } from './two-ends.ts'

const seeds = 2_000
const hour = 3_600_000

type Random = () => number
const upTo = (random: Random, most: number) => Math.floor(random() * (most + 1))

const limitsBy = (random: Random): Limits => {
  const maxPayload = 64 + upTo(random, 64)
  return { maxPayload, window: 1 + upTo(random, 31), arena: maxPayload * (4 + upTo(random, 30)) }
}

/** From a clean line to one that loses a third of all frames. */
const lineBy = (random: Random): LineBehaviour => {
  const badness = random() ** 2
  return {
    bytesPerMs: 1 + upTo(random, 20),
    delayMs: upTo(random, 30),
    flippedBits: badness * 2e-4,
    lostFrames: badness * 0.2,
    lostBytes: badness * 0.1,
    noise: badness * 0.1,
  }
}

const endBy = (random: Random): EndBehaviour => {
  const slowness = random() < 0.5 ? 0 : random() * 200
  return { limits: limitsBy(random), takesMs: () => Math.floor(random() * slowness) }
}

function offersBy(random: Random, peer: Limits): Offered[] {
  const longest = random() < 0.5 ? peer.maxPayload : 10
  const spread = random() * 2_000
  return Array.from({ length: upTo(random, 40) }, () => ({
    at: Math.floor(random() * spread),
    channel: channels[upTo(random, 3)]!,
    payload: Uint8Array.from({ length: upTo(random, longest) }, () => random() * 256),
  })).sort((a, b) => a.at - b.at)
}

const ofChannel = (all: readonly (Offered | Delivered)[], channel: Channel) =>
  all.filter((one) => one.channel === channel).map(({ payload }) => Array.from(payload).join())

test(`over ${seeds} bad cables each payload arrives exactly once and in its channel's order`, () => {
  for (let seed = 0; seed < seeds; seed++) {
    const random = chance(seed)
    const [a, b] = [endBy(random), endBy(random)]
    const two = new TwoEnds(seed, lineBy(random), a, b)
    const offers = [offersBy(random, b.limits), offersBy(random, a.limits)] as const
    expect(two.run(offers, hour), `seed ${seed} ends`).toBe(true)
    for (const side of [0, 1] as const) {
      const other = two.ends[1 - side]!
      expect(other.complaints, `seed ${seed}`).toEqual([])
      for (const channel of channels) {
        expect(ofChannel(other.delivered, channel), `seed ${seed}, ${channel}`).toEqual(
          ofChannel(offers[side], channel),
        )
      }
    }
  }
})
