import { bytes, nullable, record } from '../codec.ts'
import { maxBoardMessageBytes } from './limits.ts'

/** A stretch of the board's journal: telemetry, lines, events, messages, gaps. [S 8.12] */
export const report = record({
  /** A `report` of docs/protocol.md, as it goes on to the gateway. */
  body: [1, bytes({ max: maxBoardMessageBytes })],
  /** HMAC-SHA-256 of `body` under the session key, its first 16 bytes; null while there is no session. [S 8.13] */
  mac: [2, nullable(bytes({ exact: 16 }))],
})
