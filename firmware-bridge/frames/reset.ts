import { ByteReader } from '@hypha/core/bytes/reader.ts'
import { ByteWriter } from '@hypha/core/bytes/writer.ts'
import { type BadFrame, bad, type RawFrame } from './frame.ts'

/** Why a side gives up what was open; the places are the codes. Only ever added to at the end. [S 3.5] */
export const resetReasons = [
  /** The side stops, by request. */
  'closing',
  /** There is no version that both speak. */
  'version',
  /** The peer broke a clause of windows or of opening: the two are out of step. */
  'out-of-step',
  /** Nothing sent has been acknowledged for long. */
  'silent',
] as const

export type ResetReason = (typeof resetReasons)[number]

/** Ends an incarnation: what it sent and had not yet seen acknowledged is the layer above's to offer again. [S 3.5] */
export interface Reset {
  readonly kind: 'reset'
  /** The incarnation that ends. */
  readonly own: number
  readonly reason: ResetReason
}

const payloadBytes = 5

export const resetCodec = {
  code: 4,
  encode: ({ own, reason }: Reset): RawFrame => ({
    code: 4,
    channel: 0,
    number: 0,
    payload: new ByteWriter(payloadBytes).u32(own).u8(resetReasons.indexOf(reason)).finish(),
  }),
  decode(raw: RawFrame): Reset | BadFrame {
    if (raw.channel !== 0 || raw.number !== 0 || raw.payload.length < payloadBytes) return bad('fields')
    const reader = new ByteReader(raw.payload, 'reset')
    const own = reader.u32()
    const reason = resetReasons[reader.u8()]
    if (own === 0 || reason === undefined) return bad('fields')
    return { kind: 'reset', own, reason }
  },
}
