import { ByteReader } from '@hypha/core/bytes/reader.ts'
import { ByteWriter } from '@hypha/core/bytes/writer.ts'
import { type BadFrame, bad, type Channel, channels, type RawFrame } from './frame.ts'

/** What a side has of one channel: its whole receiving window in one frame, so that only the latest one matters. [S 3.4] */
export interface Ack {
  readonly kind: 'ack'
  readonly channel: Channel
  /** Every payload before this number has arrived and was taken by the layer above: the window begins here. */
  readonly next: number
  /** Bit i: the payload `next + i` has arrived, and waits to be taken. */
  readonly held: number
}

const payloadBytes = 4

export const ackCodec = {
  code: 3,
  encode: ({ channel, next, held }: Ack): RawFrame => ({
    code: 3,
    channel: channels.indexOf(channel),
    number: next,
    payload: new ByteWriter(payloadBytes).u32(held).finish(),
  }),
  decode(raw: RawFrame): Ack | BadFrame {
    const channel = channels[raw.channel]
    if (channel === undefined) return bad('kind')
    if (raw.payload.length !== payloadBytes) return bad('fields')
    return { kind: 'ack', channel, next: raw.number, held: new ByteReader(raw.payload, 'ack').u32() }
  },
}
