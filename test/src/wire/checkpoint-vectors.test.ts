import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import {
  type Checkpoint,
  checkpoint,
  checkpointAck,
  checkpointPiece,
  type Kept,
  kept,
  maxPieceBytes,
} from '@hypha/core/wire/messages/checkpoint.ts'
import { describe, expect, it } from 'vitest'

const instance = { app: 'greenhouse', module: 'smooth', home: 'pi-7' }
const source = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const keeps: Kept = {
  ...instance,
  state: { release: '07'.repeat(32), bytes: Uint8Array.of(1, 2, 3) },
  kv: [{ key: 'count', value: Uint8Array.of(9) }],
  handled: [{ source, number: 70_000 }],
  calls: new Uint8Array(16).fill(5),
  timer: { dueMs: 1_767_225_601_000, periodMs: 2_000 },
}
const said: Checkpoint = {
  ...instance,
  incarnation: source,
  number: 41,
  final: true,
  turns: 2,
  stoppedMs: 1_767_225_600_000,
  kept: kept.encode(keeps),
  waiting: [{ number: 40, topic: 'limit', payload: Uint8Array.of(7), publisher: 'pi-7' }],
  move: 3,
  unbegun: null,
}
const piece = { digest: new Uint8Array(32).fill(6), size: 200_000, offset: maxPieceBytes, bytes: Uint8Array.of(1, 2) }
const ack = { digest: piece.digest, outcome: 'unwanted' } as const

const encoded = {
  kept: [kept.encode(keeps), kept.decode, keeps],
  checkpoint: [checkpoint.encode(said), checkpoint.decode, said],
  'checkpoint-piece': [checkpointPiece.encode(piece), checkpointPiece.decode, piece],
  'checkpoint-ack': [checkpointAck.encode(ack), checkpointAck.decode, ack],
} as const

describe('The bytes of what moves with an instance', () => {
  it.each(Object.keys(encoded) as (keyof typeof encoded)[])('are those in test/vectors/%s.json', async (name) => {
    const [bytes, decode, value] = encoded[name]
    const shown = { message: toHex(bytes) }
    await expect(`${JSON.stringify(shown, null, 2)}\n`).toMatchFileSnapshot(`../../vectors/${name}.json`)
    expect(decode(fromHex(shown.message))).toEqual(value)
  })

  it('are never more than their caps, which are checked before anything is read', () => {
    const large = new Uint8Array(maxPieceBytes + 1)
    expect(() => checkpointPiece.decode(checkpointPiece.encode({ ...piece, bytes: large }))).toThrow(
      'at most 60000 bytes',
    )
    expect(() => kept.decode(new Uint8Array(4 * 1024 * 1024 + 1))).toThrow('at most 4194304 are allowed')
    expect(() => checkpoint.decode(new Uint8Array(8 * 1024 * 1024 + 1))).toThrow('at most 8388608 are allowed')
  })
})
