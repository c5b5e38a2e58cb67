import { message, type TypeOf, union } from '../codec.ts'
import { abandon } from './abandon.ts'
import { ack } from './ack.ts'
import { activation } from './activation.ts'
import { answer } from './answer.ts'
import { call } from './call.ts'
import { firmware } from './firmware.ts'
import { held } from './held.ts'
import { identify } from './identify.ts'
import { input } from './input.ts'
import { maxBoardMessageBytes } from './limits.ts'
import { offer } from './offer.ts'
import { piece } from './piece.ts'
import { refused } from './refused.ts'
import { report } from './report.ts'
import { session } from './session.ts'
import { state } from './state.ts'
import { time } from './time.ts'

/** What a bridge says to a board, by the number of its kind. Only ever added to at the end. [S 8.2] */
export const toBoardKinds = union(
  ['time', time],
  ['offer', offer],
  ['piece', piece],
  ['abandon', abandon],
  ['activation', activation],
  ['ack', ack],
  ['session', session],
  ['input', input],
  ['call', call],
)

export const toBoard = message('message to the board', toBoardKinds, maxBoardMessageBytes)

/** What a board says. Only ever added to at the end. [S 8.2] */
export const fromBoardKinds = union(
  ['identify', identify],
  ['state', state],
  ['held', held],
  ['refused', refused],
  ['report', report],
  ['session', session],
  ['answer', answer],
  ['firmware', firmware],
)

export const fromBoard = message('message of the board', fromBoardKinds, maxBoardMessageBytes)

export type ToBoard = TypeOf<typeof toBoard>
export type FromBoard = TypeOf<typeof fromBoard>
