import { type BadFrame, bad, type Channel, channels, type RawFrame } from './frame.ts'

/** One payload of a channel, at its place in the channel's order. [S 3.3] */
export interface Data {
  readonly kind: 'data'
  readonly channel: Channel
  /** Counts the channel's payloads, modulo 65,536. */
  readonly number: number
  readonly payload: Uint8Array
}

export const dataCodec = {
  code: 2,
  encode: ({ channel, number, payload }: Data): RawFrame => ({
    code: 2,
    channel: channels.indexOf(channel),
    number,
    payload,
  }),
  decode(raw: RawFrame): Data | BadFrame {
    const channel = channels[raw.channel]
    if (channel === undefined) return bad('kind')
    return { kind: 'data', channel, number: raw.number, payload: raw.payload }
  },
}
