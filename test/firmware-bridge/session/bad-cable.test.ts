import { afterAll, describe, expect, it } from 'vitest'
import type { Limits } from '../../../firmware-bridge/frames/hello.ts'
import { Asked, buildChecked } from '../../support/firmware.ts'
import { chance } from '../frames/two-ends.ts'
import { Cable, type CableBehaviour, faults, payloadsBy } from './cable.ts'
import { BoardEnd, type BoardSizes, BridgeEnd, type End } from './ends.ts'

const board = new Asked(buildChecked('wire-check'))
afterAll(() => board.end())

const hour = 3_600_000
const bridge: Limits = { maxPayload: 512, window: 32, arena: 512 * 40 }
const small: BoardSizes = { maxPayload: 128, inPlaces: 6, window: 4, outPayload: 96, outPlaces: 5 }

const sizesBy = (random: () => number): BoardSizes => ({
  maxPayload: 64 + Math.floor(random() * 200),
  inPlaces: 4 + Math.floor(random() * 12),
  inRooms: 2 + Math.floor(random() * 3),
  window: 1 + Math.floor(random() * 12),
  outPayload: 64 + Math.floor(random() * 200),
  outPlaces: 4 + Math.floor(random() * 8),
})

const clean: CableBehaviour = { bytesPerMs: 11.52, delayMs: 1, flippedBits: 0, lost: 0, invented: 0, repeated: 0 }

/** From a clean cable to one that spoils every third frame. */
function cableBy(random: () => number): CableBehaviour {
  const badness = random() ** 2
  return {
    bytesPerMs: 1 + random() * 30,
    delayMs: Math.floor(random() * 30),
    flippedBits: badness * 1e-3,
    lost: badness * 1e-3,
    invented: badness * 1e-3,
    repeated: badness * 1e-4,
  }
}

interface Story {
  readonly cable: Cable
  readonly ends: readonly [BridgeEnd, End]
}

async function begin(seed: number, behaviour: CableBehaviour, sizes: BoardSizes, slow = 0): Promise<Story> {
  const random = chance(seed)
  const takes = () => Math.floor(random() * slow)
  const ends = [new BridgeEnd(seed + 1, bridge), await BoardEnd.start(board, seed + 2, sizes)] as const
  return { cable: new Cable(seed + 3, behaviour, ends, [takes, takes]), ends }
}

const longest = (sizes: BoardSizes) => [sizes.maxPayload, Math.min(sizes.outPayload, bridge.maxPayload)] as const

describe('the bridge and the firmware', () => {
  it('bring each payload over a bad cable once and in order, in each channel', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = chance(seed * 10)
      const sizes = sizesBy(random)
      const { cable } = await begin(seed * 10, cableBy(random), sizes, random() < 0.5 ? 0 : 300)
      const [down, up] = longest(sizes)
      cable.offer(0, payloadsBy(random, 40, down, 3_000))
      cable.offer(1, payloadsBy(random, 40, up, 3_000))
      expect(await cable.run(hour), `seed ${seed} ends`).toBe(true)
      expect(faults(cable), `seed ${seed}`).toEqual([])
    }
  })

  it('find to one another again when either loses its power in the midst of a transfer', async () => {
    for (let seed = 0; seed < 12; seed++) {
      const random = chance(seed * 10)
      const { cable, ends } = await begin(seed * 10, cableBy(random), small)
      cable.offer(0, payloadsBy(random, 80, small.maxPayload, 8_000))
      cable.offer(1, payloadsBy(random, 80, small.outPayload, 8_000))
      for (const at of [1_500, 2_000, 5_000]) {
        const end = ends[random() < 0.7 ? 1 : 0]
        cable.at(at, () => end.restart(at))
      }
      expect(await cable.run(hour), `seed ${seed} ends`).toBe(true)
      expect(faults(cable), `seed ${seed}`).toEqual([])
    }
  })

  it('begin anew together when one of them ends what is open', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const random = chance(seed * 10)
      const { cable, ends } = await begin(seed * 10, cableBy(random), small)
      cable.offer(0, payloadsBy(random, 40, small.maxPayload, 6_000))
      cable.offer(1, payloadsBy(random, 40, small.outPayload, 6_000))
      cable.at(2_000, () => ends[0].end(2_000))
      cable.at(4_000, () => ends[1].end(4_000))
      expect(await cable.run(hour), `seed ${seed} ends`).toBe(true)
      expect(faults(cable), `seed ${seed}`).toEqual([])
      expect(Math.min(...ends.map(({ openings }) => openings))).toBeGreaterThanOrEqual(2)
    }
  })

  it('get over a cable that was out for longer than either believes in the other', async () => {
    const { cable, ends } = await begin(1, { ...clean, cut: [1_000, 120_000] }, small)
    const random = chance(1)
    cable.offer(0, payloadsBy(random, 60, small.maxPayload, 2_000))
    cable.offer(1, payloadsBy(random, 60, small.outPayload, 2_000))
    expect(await cable.run(hour)).toBe(true)
    expect(faults(cable)).toEqual([])
    expect(ends[0].events.filter((event) => event.kind === 'closed').map(({ why }) => why)).toContain('silent')
  })

  it('are in step again after any bytes whatever', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const random = chance(seed)
      const { cable } = await begin(seed * 10, clean, small)
      for (let at = 0; at < 3_000; at += 50) {
        const side = random() < 0.5 ? 0 : 1
        const zeros = random() * 0.1
        const noise = Uint8Array.from({ length: random() * 600 }, () => (random() < zeros ? 0 : random() * 256))
        cable.babble(side, at, noise)
      }
      cable.offer(0, payloadsBy(random, 40, small.maxPayload, 3_000))
      cable.offer(1, payloadsBy(random, 40, small.outPayload, 3_000))
      expect(await cable.run(hour), `seed ${seed} ends`).toBe(true)
      expect(faults(cable), `seed ${seed}`).toEqual([])
    }
  })

  it('hold one another back where one takes slowly, and lose nothing', async () => {
    const { cable, ends } = await begin(3, clean, small, 2_000)
    const random = chance(3)
    cable.offer(0, payloadsBy(random, 200, small.maxPayload, 10, ['update']))
    cable.offer(1, payloadsBy(random, 200, small.outPayload, 10, ['telemetry']))
    expect(await cable.run(hour)).toBe(true)
    expect(faults(cable)).toEqual([])
    expect(ends.map(({ openings }) => openings)).toEqual([1, 1])
    // Nothing was sent that the other had no place for.
    expect(ends[0].session.counters.violations).toBe(0)
  })
})
