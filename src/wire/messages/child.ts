import { ack } from '../board/ack.ts'
import { maxBoardMessageBytes } from '../board/limits.ts'
import { report } from '../board/report.ts'
import { session } from '../board/session.ts'
import { message, nullable, record, type TypeOf, text, uint, union } from '../codec.ts'
import { id, incarnation } from '../ids.ts'
import { inputsRecord } from './input.ts'

// A board has no connection of its own: it is named inside the messages of its node, its parent. [P 15]

/** On `n/<node>/down/child`: a word to one board of the node. */
export const toChild = message(
  'word to a board',
  record({ node: [1, id], word: [2, union(['ack', ack], ['session', session], ['inputs', inputsRecord])] }),
)

/** What the node has to tell of its board, such as what it can't give it. A note that gets lost isn't said again. */
const note = record({
  code: [1, text(40, /^[a-z0-9-]+$/)],
  text: [2, text(2_000)],
  /** The input that it is about, which the board will never be given; null for none. */
  refused: [3, nullable(record({ app: [1, id], module: [2, id], home: [3, nullable(id)], number: [4, uint()] }))],
})

/** On `n/<node>/up/child`: a word of one board of the node, as the board gave it. */
export const fromChild = message(
  'word of a board',
  record({
    node: [1, id],
    incarnation: [2, incarnation],
    word: [3, union(['report', report], ['session', session], ['note', note])],
  }),
  maxBoardMessageBytes + 256,
)

export type ToChild = TypeOf<typeof toChild>
export type FromChild = TypeOf<typeof fromChild>
