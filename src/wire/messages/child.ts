import { ack } from '../board/ack.ts'
import { maxBoardMessageBytes } from '../board/limits.ts'
import { report } from '../board/report.ts'
import { session } from '../board/session.ts'
import { message, record, type TypeOf, union } from '../codec.ts'
import { id, incarnation } from '../ids.ts'
import { inputsRecord } from './input.ts'

// A board has no connection of its own: it is named inside the messages of its node, its parent. [P 15]

/** On `n/<node>/down/child`: a word to one board of the node. */
export const toChild = message(
  'word to a board',
  record({ node: [1, id], word: [2, union(['ack', ack], ['session', session], ['inputs', inputsRecord])] }),
)

/** On `n/<node>/up/child`: a word of one board of the node, as the board gave it. */
export const fromChild = message(
  'word of a board',
  record({ node: [1, id], incarnation: [2, incarnation], word: [3, union(['report', report], ['session', session])] }),
  maxBoardMessageBytes + 256,
)

export type ToChild = TypeOf<typeof toChild>
export type FromChild = TypeOf<typeof fromChild>
