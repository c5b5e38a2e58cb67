import { afterAll, describe, expect, it } from 'vitest'
import { channels } from '../../../firmware-bridge/frames/frame.ts'
import { encodeFrame, type Frame, FrameReader } from '../../../firmware-bridge/frames/line.ts'
import { resetReasons } from '../../../firmware-bridge/frames/reset.ts'
import { chance } from '../../firmware-bridge/frames/two-ends.ts'
import { BoardEnd } from '../../firmware-bridge/session/ends.ts'
import { Asked, buildChecked } from '../../support/firmware.ts'

const board = new Asked(buildChecked('wire-check'))
afterAll(() => board.end())
const sizes = { maxPayload: 100, inPlaces: 5, inRooms: 3, window: 8, outPayload: 64, outPlaces: 5 }
const limits = { maxPayload: 512, window: 32, arena: 512 * 40 }
const versions = { oldest: 1, newest: 1 }

/** A peer that says anything well formed, and knows what it was told of the board's incarnation. */
function anyFrame(random: () => number, knows: number): Frame {
  const upTo = (most: number) => Math.floor(random() * (most + 1))
  const channel = channels[upTo(3)]!
  const near = random() < 0.8 ? upTo(10) : upTo(0xffff)
  switch (upTo(8)) {
    case 0:
      return { kind: 'hello', versions, answer: random() < 0.5, ...limits, own: 1 + upTo(2), peer: knows }
    case 1:
      return { kind: 'reset', own: 1 + upTo(2), reason: resetReasons[upTo(3)]! }
    case 2:
    case 3:
      return { kind: 'ack', channel, next: near, held: random() < 0.5 ? 0 : upTo(0xffff_ffff) }
    default:
      return { kind: 'data', channel, number: near, payload: new Uint8Array(upTo(100)) }
  }
}

describe('the firmware, with a peer that babbles', () => {
  it('reads and writes nothing out of bounds, whatever well-formed frames come', async () => {
    for (let seed = 0; seed < 6; seed++) {
      const random = chance(seed)
      const end = await BoardEnd.start(board, seed, sizes)
      const reader = new FrameReader(512)
      let knows = 0
      for (let at = 0; at < 1_500; at += 3) {
        await end.feed(encodeFrame(anyFrame(random, knows)), at)
        if (random() < 0.3)
          await end.offer(channels[Math.floor(random() * 4)]!, new Uint8Array(Math.floor(random() * 64)))
        if (random() < 0.3) await end.take(channels[Math.floor(random() * 4)]!)
        for (const frame of reader.push(await end.poll(at))) if (frame.kind === 'hello') knows = frame.own
      }
      expect(end.openings).toBeGreaterThan(1)
      expect(Object.values(reader.dropped).every((count) => count === 0)).toBe(true)
    }
  })

  it('hears an honest one as soon as the noise is over', async () => {
    const random = chance(9)
    const end = await BoardEnd.start(board, 9, sizes)
    for (let at = 0; at < 600; at += 3) {
      await end.feed(
        Uint8Array.from({ length: 300 }, () => random() * 256),
        at,
      )
      await end.poll(at)
    }
    const reader = new FrameReader(512)
    reader.push(await end.poll(699))
    await end.feed(encodeFrame({ kind: 'hello', versions, answer: true, ...limits, own: 7, peer: 0 }), 700)
    const hello = reader.push(await end.poll(700)).find(({ kind }) => kind === 'hello')
    expect(hello).toMatchObject({ answer: true, peer: 7, maxPayload: 100, window: 8, arena: 500 })
    await end.feed(
      encodeFrame({
        kind: 'hello',
        versions,
        answer: false,
        ...limits,
        own: 7,
        peer: hello?.kind === 'hello' ? hello.own : 0,
      }),
      701,
    )
    expect(end.isOpen).toBe(true)
  })
})
