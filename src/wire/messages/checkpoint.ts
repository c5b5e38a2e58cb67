import { bool, bytes, list, message, nullable, oneOf, record, type TypeOf, text, uint } from '../codec.ts'
import { digest, id, incarnation } from '../ids.ts'
import { maxTopicBytes } from '../topics.ts'

/** What an instance keeps, at most: one that keeps more stays where it is, or begins anew elsewhere. */
export const maxKeptBytes = 4 * 1024 * 1024

/** A whole checkpoint, with the inputs of its own node that wait for the instance. */
export const maxCheckpointBytes = 2 * maxKeptBytes

/** Of one piece: with what is around it, it fits into a packet. */
export const maxPieceBytes = 60_000

/** Each node that an instance was on is a source of inputs; what is remembered of the oldest is given up. */
export const maxSources = 64

/** What an instance goes on from, wherever it does: the content that a directive's `states` name. [P 13.1] */
export const kept = message(
  'kept',
  record({
    app: [1, id],
    module: [2, id],
    home: [3, nullable(id)],
    /** The last `save()`, with the digest (hex) of the release that made it; null where there was none. */
    state: [4, nullable(record({ release: [1, text(64)], bytes: [2, bytes({ max: maxKeptBytes })] }))],
    kv: [5, list(record({ key: [1, text(128)], value: [2, bytes({ max: maxKeptBytes })] }), 200_000)],
    /** The highest input of each source that it has handled: what it has handled it handles nowhere again. */
    handled: [6, list(record({ source: [1, incarnation], number: [2, uint()] }), maxSources)],
    /** Ids (16 bytes each) of the calls that it began last: none of them begins anywhere again. */
    calls: [7, nullable(bytes({ max: 16_384 }))],
    /** When its next tick is due, by the gateway's clock, ms since 1970, and every so many ms from then on; null where it has no timer, or nothing is known of it. */
    timer: [8, nullable(record({ dueMs: [1, uint()], periodMs: [2, uint()] }))],
  }),
  maxKeptBytes,
)

/** What an instance is when its node writes this down; the pieces of it go to the gateway. [P 13.2] */
export const checkpoint = message(
  'checkpoint',
  record({
    /** Of the node's journal, and the number of its last entry that this stands for. */
    incarnation: [1, incarnation],
    number: [2, uint()],
    /** The instance has left the node: it runs there no more, and nothing comes after this. */
    final: [3, bool],
    /** Turns that left something behind since `save()` was called: what `state` lacks. */
    turns: [4, uint()],
    /** When it had stopped, by the gateway's clock, ms since 1970; null for one that runs, or where the node doesn't know that clock. */
    stoppedMs: [5, nullable(uint())],
    /** A `kept`, as it is to be handed on; null where the instance keeps more than may be sent. */
    kept: [6, nullable(bytes({ max: maxKeptBytes }))],
    /** With a final one: what this node's own modules have published for it, and it has not handled. */
    waiting: [
      7,
      list(
        record({
          /** Of the journal's entry by which it was published; rising. */
          number: [4, uint()],
          topic: [1, text(maxTopicBytes)],
          payload: [2, bytes({ max: 32_768 })],
          publisher: [3, nullable(id)],
        }),
        10_000,
      ),
    ],
    app: [8, id],
    module: [9, id],
    home: [10, nullable(id)],
    /** Of the move that brought the instance to the node; 0 where none did. */
    move: [11, uint()],
    /** Of a final one: the instance never began here since that move, and what it was given then is still what it keeps. Null for one that did. */
    unbegun: [12, nullable(bool)],
  }),
  maxCheckpointBytes,
)

/** A part of a checkpoint on `n/<node>/up/checkpoint`; its parts come one after the other, from the first on. */
export const checkpointPiece = message(
  'checkpoint-piece',
  record({
    /** SHA-256 of the whole checkpoint, and its size. */
    digest: [1, digest],
    size: [2, uint(maxCheckpointBytes, 1)],
    offset: [3, uint(maxCheckpointBytes)],
    bytes: [4, bytes({ max: maxPieceBytes })],
  }),
)

/** On `n/<node>/down/checkpoint`, when the gateway has stored a checkpoint, or wants none of it: either way it isn't sent again. */
export const checkpointAck = message(
  'checkpoint-ack',
  record({ digest: [1, digest], outcome: [2, oneOf('stored', 'unwanted')] }),
  64,
)

export type Kept = TypeOf<typeof kept>
export type Checkpoint = TypeOf<typeof checkpoint>
export type CheckpointPiece = TypeOf<typeof checkpointPiece>
