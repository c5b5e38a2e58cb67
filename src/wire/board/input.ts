import { bytes, nullable, record, type TypeOf, text, uint } from '../codec.ts'
import { id, incarnation } from '../ids.ts'
import { maxTopicBytes } from '../topics.ts'
import { maxBoardMessageBytes } from './limits.ts'

/** A message for an inbox on the board; done with when a report says `handled`. [S 8.14] */
export const input = record({
  source: [1, incarnation],
  number: [2, uint()],
  app: [3, id],
  module: [4, id],
  home: [5, nullable(id)],
  topic: [6, text(maxTopicBytes)],
  payload: [7, bytes({ max: maxBoardMessageBytes })],
})

export type BoardInput = TypeOf<typeof input>
