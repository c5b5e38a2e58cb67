import { describe, expect, it } from 'vitest'
import { CobsDecoder } from '../../../firmware-bridge/frames/cobs.ts'
import { channels } from '../../../firmware-bridge/frames/frame.ts'
import type { Limits } from '../../../firmware-bridge/frames/hello.ts'
import { encodeFrame, FrameReader } from '../../../firmware-bridge/frames/line.ts'
import { next, openWindow } from '../../../firmware-bridge/frames/window.ts'
import { join } from './arbitraries.ts'
import { chance } from './two-ends.ts'

const limits: Limits = { maxPayload: 256, window: 32, arena: 256 * 40 }

describe('a peer that babbles', () => {
  it('fills no memory with a frame that has no end, and is heard again after it', () => {
    const reader = new FrameReader(limits.maxPayload)
    const endless = new Uint8Array(1_000_000).fill(2)
    for (let chunk = 0; chunk < 20; chunk++) expect(reader.push(endless)).toEqual([])
    const ack = { kind: 'ack', channel: 'control', next: 0, held: 0 } as const
    expect(reader.push(encodeFrame(ack))).toEqual([{ kind: 'bad', why: 'too-long' }, ack])
  })

  it('gets no object of its own for each frame that is dropped', () => {
    const bad = new CobsDecoder(10).push(new Uint8Array(100_000).map((_, index) => (index % 2 === 0 ? 5 : 0)))
    expect(bad).toHaveLength(50_000)
    expect(new Set(bad).size).toBe(1)
  })

  it('is only counted while it sends noise', () => {
    const random = chance(1)
    const reader = new FrameReader(limits.maxPayload)
    const noise = Uint8Array.from({ length: 300_000 }, () => random() * 256)
    const frames = reader.push(noise)
    expect(frames.every(({ kind }) => kind === 'bad')).toBe(true)
    expect(Object.values(reader.dropped).reduce((sum, count) => sum + count)).toBe(frames.length)
  })

  it('with well-formed frames of any number fills its arena and no more', () => {
    const random = chance(2)
    const reader = new FrameReader(limits.maxPayload)
    let state = openWindow(limits, limits)
    for (let turn = 0; turn < 20_000; turn++) {
      const channel = channels[Math.floor(random() * 4)]!
      const number = Math.floor(random() * (random() < 0.5 ? 40 : 0x1_0000))
      const bytes = encodeFrame({ kind: 'data', channel, number, payload: new Uint8Array(256) })
      for (const frame of reader.push(join([bytes]))) {
        if (frame.kind === 'data') state = next(state, { kind: 'arrived', frame, at: turn }).state
      }
      const kept = channels.flatMap((one) => state.receiver.ins[one].places.filter((place) => place !== undefined))
      expect(kept.length * limits.maxPayload).toBeLessThanOrEqual(limits.arena)
    }
  })

  it('with acks of anything leaves windows and queues within their caps', () => {
    const random = chance(3)
    let state = openWindow(limits, limits)
    for (let turn = 0; turn < 20_000; turn++) {
      const channel = channels[Math.floor(random() * 4)]!
      const held = random() < 0.5 ? 0 : Math.floor(random() * 0x1_0000_0000)
      const frame = { kind: 'ack', channel, next: Math.floor(random() * 0x1_0000), held } as const
      state = next(state, { kind: 'offer', channel, payload: new Uint8Array(8) }).state
      state = next(state, { kind: 'ready', at: turn }).state
      state = next(state, { kind: 'arrived', frame, at: turn }).state
      const out = state.sender.outs[channel]
      expect(out.flights.length).toBeLessThanOrEqual(limits.window)
      expect(out.queue.length).toBeLessThanOrEqual(64)
    }
  })
})
