import { Coder } from '@hypha/core/delta/coder.ts'
import { McuCoder } from '@hypha/core/delta/mcu/coder.ts'
import { McuState, Slot } from '@hypha/core/delta/mcu/state.ts'
import { describe, expect, it } from 'vitest'

/** Ones take the lower part of the range: a long streak of what is expected ends in as many zero bytes. */
const streak = Array.from({ length: 200_000 }, (_, i) => (i === 3 ? 0 : 1))

describe('a coder whose last bits are all as expected', () => {
  it('leaves no more zeros away than a decoder takes for granted', () => {
    for (let odd = 0; odd < 6; odd++) {
      const bits = streak.map((bit, i) => (i === 200 * odd ? 0 : bit))
      const encoder = new Coder(10, true)
      for (const bit of bits) encoder.bit(7, bit)
      const decoder = new Coder(10, false)
      decoder.feed(encoder.finish())
      decoder.end()
      expect(decoder.starved).toBe(false)
      expect(bits.every((bit) => decoder.bit(7, 0) === bit)).toBe(true)
      expect(decoder.usedUp).toBe(true)
    }
  })

  it('does so in the small profile, too', () => {
    const out: number[] = []
    const encoder = new McuCoder(new McuState({ tableBits: 8, runs: 0 }), out)
    encoder.begin()
    for (const bit of streak) encoder.bit(7, bit)
    encoder.finish()
    const state = new McuState({ tableBits: 8, runs: 0 })
    const decoder = new McuCoder(state, null)
    decoder.begin()
    state.input.set(out)
    state.slots[Slot.inputEnd] = out.length
    decoder.start()
    expect(streak.every((bit) => decoder.bit(7, 0) === bit)).toBe(true)
  })
})
