import { float, list, nullable, oneOf, record, type TypeOf, text, uint } from '../codec.ts'
import { id, incarnation, metricName } from '../ids.ts'
import { logLevels } from './report.ts'

/** Rows of one batch, of all kinds together. */
export const maxForwardRows = 2_000
/** Of an event's or a log line's text; longer ones are cut. */
export const maxForwardText = 4_096

/** Later times than any clock shows (ECMAScript, 21.4.1.1). */
const time = uint(8.64e15)
const home = nullable(id)

/** What samples belong to, as the site's own store has it. */
const series = record({
  app: [1, id],
  module: [2, id],
  home: [3, home],
  metric: [4, metricName],
  node: [5, id],
  /** Of the node's journal. */
  incarnation: [6, incarnation],
  epoch: [7, uint()],
})

const sample = record({
  /** Index into `series`. */
  series: [1, uint(maxForwardRows - 1)],
  at: [2, time],
  /** Its number in the node's journal. */
  seq: [3, uint()],
  value: [4, float],
})

const event = record({
  /** The row's number at the site. */
  number: [1, uint()],
  at: [2, time],
  node: [3, nullable(id)],
  app: [4, nullable(id)],
  module: [5, nullable(id)],
  home: [6, home],
  code: [7, text(64)],
  text: [8, text(maxForwardText)],
})

const log = record({
  number: [1, uint()],
  at: [2, time],
  node: [3, id],
  app: [4, id],
  module: [5, id],
  home: [6, home],
  level: [7, oneOf(...logLevels)],
  text: [8, text(maxForwardText)],
})

/** A stretch of what a site has stored since it joined: all rows with numbers above `after`, up to `upTo`. [P 14.6] */
export const forwardBatch = record({
  after: [1, uint()],
  upTo: [2, uint()],
  series: [3, list(series, maxForwardRows)],
  samples: [4, list(sample, maxForwardRows)],
  events: [5, list(event, maxForwardRows)],
  logs: [6, list(log, maxForwardRows)],
})

export type ForwardBatch = TypeOf<typeof forwardBatch>
