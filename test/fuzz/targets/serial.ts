import { toHex } from '@hypha/core/bytes/text.ts'
import { encodeFrame, FrameReader } from '@hypha/firmware-bridge/frames/line.ts'
import { insist, type Target } from '../target.ts'

export const serialTarget: Target = {
  name: 'serial-frames',
  about: 'what comes over a serial line, in pieces of any size',
  short: 10_000,
  prepare: () => ({
    seeds: [
      encodeFrame({ kind: 'data', channel: 'update', number: 3, payload: Uint8Array.of(1, 0, 2) }),
      encodeFrame({ kind: 'data', channel: 'control', number: 255, payload: new Uint8Array(64) }),
      Uint8Array.of(0, 1, 1, 0, 5, 1, 2, 3, 0),
    ],
    run(input) {
      const whole = new FrameReader(64).push(input)
      const pieces = new FrameReader(64)
      const apart = [...input].flatMap((byte) => pieces.push(Uint8Array.of(byte)))
      insist(apart.length === whole.length, 'the same bytes are other frames when they come one by one')
      for (const [index, frame] of whole.entries()) {
        insist(frame.kind === apart[index]!.kind, 'a frame is another one when its bytes come one by one')
        if (frame.kind === 'bad') continue
        const [again] = new FrameReader(64).push(encodeFrame(frame))
        insist(again?.kind === frame.kind, `${toHex(encodeFrame(frame))} is not read as what was written`)
      }
      return whole
        .map((frame) => (frame.kind === 'bad' ? frame.why : frame.kind))
        .join(' ')
        .slice(0, 60)
    },
  }),
}
