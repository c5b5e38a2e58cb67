import { bytes, list, message, nullable, record, type TypeOf, text, uint } from '../codec.ts'
import { id, incarnation } from '../ids.ts'
import { maxTopicBytes } from '../topics.ts'

const input = record({
  /** (source, number) is the input's id; numbers of one source rise. The node handles each id once for each instance. */
  source: [1, incarnation],
  number: [2, uint()],
  app: [3, id],
  module: [4, id],
  home: [5, nullable(id)],
  /** Relative to the app. */
  topic: [6, text(maxTopicBytes)],
  payload: [7, bytes({ max: 32_768 })],
  /** The device of the instance that published it; null for none. */
  publisher: [8, nullable(id)],
})

export const inputsRecord = record({ inputs: [1, list(input, 256)] })

/** On `n/<node>/down/input`: inputs for inboxes. The gateway keeps each until the node has reported it as handled. */
export const inputs = message('inputs', inputsRecord)

export type Input = TypeOf<typeof input>
