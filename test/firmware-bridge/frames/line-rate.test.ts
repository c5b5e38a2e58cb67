import { describe, expect, it } from 'vitest'
import type { Limits } from '../../../firmware-bridge/frames/hello.ts'
import { type EndBehaviour, type Offered, TwoEnds } from './two-ends.ts'

// Computed on a simulated clock: what the protocol leaves of a line's rate, whatever machine it runs on.

/** 115,200 baud with a start and a stop bit for each byte. */
const bytesPerMs = 11.52
const clean = { bytesPerMs, delayMs: 2, flippedBits: 0, lostFrames: 0, lostBytes: 0, noise: 0 }
/** What a small board can spare. */
const board: Limits = { maxPayload: 256, window: 8, arena: 256 * 12 }
const end = (limits: Limits): EndBehaviour => ({ limits, options: { maxQueued: 1_000 }, takesMs: () => 0 })

const payloads = (count: number, length: number, channel: Offered['channel'], everyMs = 0): Offered[] =>
  Array.from({ length: count }, (_, index) => ({
    at: index * everyMs,
    channel,
    payload: Uint8Array.from({ length }, (_, at) => (at * 31 + index * 7) % 256),
  }))

/** The share of the line's rate that an update of 256,000 bytes gets. */
function share(line: typeof clean, seed: number): number {
  const two = new TwoEnds(seed, line, end(board), end(board))
  expect(two.run([payloads(1_000, 256, 'update'), []], 3_600_000)).toBe(true)
  const { at } = two.ends[1].delivered.at(-1)!
  return (1_000 * 256) / (at * bytesPerMs)
}

describe('an update to a board', () => {
  it('gets nine tenths of a clean line', () => {
    expect(share(clean, 1)).toBeGreaterThan(0.9)
  })

  it('gets three quarters of a line that flips one bit in 100,000', () => {
    for (let seed = 0; seed < 5; seed++) expect(share({ ...clean, flippedBits: 1e-5 }, seed)).toBeGreaterThan(0.75)
  })

  it('leaves values their turn: each waits for one frame of it at most', () => {
    const two = new TwoEnds(1, clean, end(board), end(board))
    const values = payloads(100, 20, 'telemetry', 200)
    expect(two.run([[...payloads(1_000, 256, 'update'), ...values].sort((a, b) => a.at - b.at), []], 3_600_000)).toBe(
      true,
    )
    const arrived = two.ends[1].delivered.filter(({ channel }) => channel === 'telemetry')
    const waits = arrived.map(({ at }, index) => at - values[index]!.at)
    const longestFrameMs = (256 + 14) / bytesPerMs
    expect(Math.max(...waits)).toBeLessThan(2 * longestFrameMs + 20)
  })
})
