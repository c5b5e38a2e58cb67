import { bool, bytes, float, list, message, nullable, oneOf, record, type TypeOf, text, uint, union } from '../codec.ts'
import { digest, id } from '../ids.ts'
import { answer } from './answer.ts'
import { identify } from './identify.ts'
import { input } from './input.ts'
import { maxBoardMessageBytes } from './limits.ts'
import { fromBoardKinds, toBoardKinds } from './messages.ts'

// What an agent and the bridge beside it say to one another, over a socket of the machine's own: each message behind its length, as 4 bytes, little-endian.

const request = uint(0xffff_ffff, 1)
const path = text(4_096)

/** The largest content of a board, whole. */
const maxTransferBytes = 4 * 1024 * 1024

/** Of one `inputs`. */
export const maxInputsAtOnce = 8

/** What an agent asks of its bridge. Each `request` is a number of its own, and is answered with `done` once, `call` with `answer`. */
export const toBridge = message(
  'message to the bridge',
  union(
    /** To be brought to a board, whenever it is there, after what was asked for before. [S 8.7] */
    [
      'transfer',
      record({
        request: [1, request],
        board: [2, id],
        what: [3, oneOf('root', 'directive', 'release', 'content')],
        digest: [4, digest],
        size: [5, uint(0xffff_ffff)],
        encoding: [6, oneOf('identity', 'mcu-patch')],
        base: [7, nullable(digest)],
        bytes: [8, bytes({ max: maxTransferBytes })],
      }),
    ],
    /** The transfer of request `of` is no longer wanted. */
    ['cancel', record({ request: [1, request], of: [2, request] })],
    /** Anything else that a board may be told. */
    ['tell', record({ request: [1, request], board: [2, id], message: [3, toBoardKinds] })],
    /** `value` null reads a sensor, else an actuator is set. */
    ['call', record({ request: [1, request], board: [2, id], name: [3, text(64)], value: [4, nullable(float)] })],
    /** The agent ends: the bridge lets go of its ports, so that whoever comes next can have them, and ends too. */
    ['stop', record({ request: [1, request] })],
    /** Messages for its inbox, in order: what comes after one that the board wasn't given isn't given either. `detail` of the answer is how many it has taken. */
    ['inputs', record({ request: [1, request], board: [2, id], inputs: [3, list(input, maxInputsAtOnce)] })],
  ),
  maxTransferBytes + 1_024,
)

/** What a bridge tells its agent. An agent that connects is told at once of each port and of each board that is there, with its last state. */
export const fromBridge = message(
  'message of the bridge',
  union(
    [
      'port',
      record({ path: [1, path], status: [2, oneOf('open', 'failed', 'gone')], message: [3, nullable(text(1_000))] }),
    ],
    /** A board has identified itself: for the first time, anew, or on another port. */
    [
      'appeared',
      record({
        path: [1, path],
        identify: [2, identify],
        /** The longest message that it takes. */
        messageBytes: [3, uint(maxBoardMessageBytes)],
      }),
    ],
    ['left', record({ board: [1, id], why: [2, text(1_000)] })],
    /** Another board claims this id, with another key or as a copy with the same. */
    ['impostor', record({ board: [1, id], path: [2, path], sameKey: [3, bool] })],
    /** Its state, a report, a session's proof, what it refused. */
    ['said', record({ board: [1, id], message: [2, fromBoardKinds] })],
    /** Bytes of a transfer that are durable on the board. */
    ['progress', record({ request: [1, request], held: [2, uint()] })],
    [
      'done',
      record({
        request: [1, request],
        ok: [2, bool],
        /** Why not: a code of docs/errors.md, of the board's or of the bridge's. */
        code: [3, nullable(text(40))],
        detail: [4, nullable(uint())],
      }),
    ],
    ['answer', record({ request: [1, request], answer: [2, answer] })],
  ),
)

export type ToBridge = TypeOf<typeof toBridge>
export type FromBridge = TypeOf<typeof fromBridge>
