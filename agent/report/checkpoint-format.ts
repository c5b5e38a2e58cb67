import { crc32 } from '@hypha/core/bytes/crc32.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { bytes, list, message, nullable, record, type TypeOf, text, uint } from '@hypha/core/wire/codec.ts'
import { id, incarnation } from '@hypha/core/wire/ids.ts'
import { maxTopicBytes } from '@hypha/core/wire/topics.ts'
import type { InstanceKey } from '../turns.ts'
import { type BegunCalls, callIdBytes, maxBegunCalls } from './begun-calls.ts'

/** A message that instances on this node are still to be given. Its id as an input is (the journal's incarnation, `number`). */
export interface PendingMessage {
  readonly number: number
  readonly from: InstanceKey
  readonly topic: string
  readonly payload: Uint8Array
  readonly atMs: number
  readonly targets: readonly InstanceKey[]
}

export interface InstanceImage {
  readonly instance: InstanceKey
  readonly kv: Map<string, Uint8Array>
  state: { readonly release: string; readonly bytes: Uint8Array } | null
  /** Turns that left something behind since `state` was saved. */
  turns: number
  /** Number of the move that brought it to this node; 0 where none did. */
  readonly move: number
  /** By source in hex: the highest number handled. */
  readonly handled: Map<string, number>
  readonly calls: BegunCalls
}

/** What an app's instances held when another release took over. */
export interface Flip {
  readonly epoch: number
  /** Turns of the app that were journaled since. */
  turns: number
  readonly instances: readonly Held[]
}

export type Held = Pick<InstanceImage, 'instance' | 'kv' | 'state' | 'turns' | 'move'>

const key = { app: [1, id], module: [2, id], home: [3, nullable(id)] } as const
const many = 1_000_000
const anyBytes = bytes({ max: 256 * 1024 * 1024 })

const content = {
  kv: [4, list(record({ key: [1, text(many)], value: [2, anyBytes] }), many)],
  state: [5, nullable(record({ release: [1, text(200)], bytes: [2, anyBytes] }))],
  /** Left out for 0, as before there were any. */
  move: [8, nullable(uint())],
  turns: [9, nullable(uint())],
} as const

const format = message(
  'checkpoint',
  record({
    incarnation: [1, incarnation],
    /** Every record of the segments up to this one is contained. */
    covers: [2, uint()],
    /** Sequence number of the next entry. */
    next: [3, uint(Number.MAX_SAFE_INTEGER, 1)],
    acknowledged: [4, uint()],
    openedIn: [5, nullable(text(100))],
    instances: [
      6,
      list(
        record({
          ...key,
          ...content,
          handled: [6, list(record({ source: [1, text(16)], number: [2, uint()] }), many)],
          /** One after the other; left out where there is none. */
          calls: [7, nullable(bytes({ max: maxBegunCalls * callIdBytes }))],
        }),
        many,
      ),
    ],
    pending: [
      7,
      list(
        record({
          number: [1, uint()],
          from: [2, record(key)],
          topic: [3, text(maxTopicBytes)],
          payload: [4, anyBytes],
          atMs: [5, uint()],
          targets: [6, list(record(key), many)],
        }),
        many,
      ),
    ],
    /** Left out where there is none, as before there were any. */
    flips: [
      8,
      nullable(
        list(
          record({
            app: [1, id],
            epoch: [2, uint()],
            turns: [3, uint()],
            instances: [4, list(record({ ...key, ...content }), many)],
          }),
          many,
        ),
      ),
    ],
  }),
  512 * 1024 * 1024,
)

type Checkpoint = TypeOf<typeof format>

/** A checksum, then CBOR. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array<ArrayBuffer> {
  const body = format.encode(checkpoint)
  const framed = new Uint8Array(4 + body.length)
  new DataView(framed.buffer).setUint32(0, crc32(body), true)
  framed.set(body, 4)
  return framed
}

/** Throws `journal-damaged` where the bytes are no checkpoint. */
export function decodeCheckpoint(framed: Uint8Array): Checkpoint {
  const body = framed.subarray(4)
  if (framed.length < 4 || new DataView(framed.buffer, framed.byteOffset).getUint32(0, true) !== crc32(body)) {
    throw new HyphaError('journal-damaged', "the journal's checkpoint does not have its checksum")
  }
  return format.decode(body)
}

type Content = Omit<Checkpoint['instances'][number], 'handled' | 'calls'>

export const toContent = ({ instance, kv, state, turns, move }: Held): Content => ({
  ...instance,
  kv: [...kv].map(([key, value]) => ({ key, value })),
  state,
  turns: turns || null,
  move: move || null,
})

export const fromContent = ({ app, module, home, kv, state, turns, move }: Content): Held => ({
  instance: { app, module, home },
  kv: new Map(kv.map(({ key, value }) => [key, value])),
  state,
  turns: turns ?? 0,
  move: move ?? 0,
})
