import { bytes, list, message, nullable, oneOf, record, type TypeOf, text, uint, union } from '../codec.ts'
import { id, incarnation, metricName } from '../ids.ts'
import { maxTopicBytes } from '../topics.ts'

const instance = { app: [1, id], module: [2, id], home: [3, nullable(id)] } as const

const series = record({ ...instance, metric: [4, metricName], epoch: [5, uint(0xffff_ffff)] })

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

/** More instances that were given one message aren't named. */
export const maxServed = 64

const entry = union(
  /** A line that a module wrote. */
  ['log', record({ ...instance, level: [4, oneOf(...logLevels)], text: [5, text(4_096)] })],
  /** Something that happened on the node: a trap, a revert, a throttle. `app` is null where it concerns the node itself. */
  [
    'event',
    record({
      app: [1, nullable(id)],
      module: [2, nullable(id)],
      home: [3, nullable(id)],
      code: [4, text(40)],
      text: [5, text(2_000)],
    }),
  ],
  /** Published by a module; `topic` is relative to its app. */
  [
    'message',
    record({
      ...instance,
      topic: [4, text(maxTopicBytes)],
      payload: [5, bytes({ max: 32_768 })],
      /** Instances of the app to which the node itself has given it. Null where it doesn't say: those that the plan has there. [P 9.4] */
      served: [6, nullable(list(record({ module: [1, id], home: [2, nullable(id)] }), maxServed))],
    }),
  ],
  /** An input is done with: its turn is journaled, or it was given up as failed. */
  [
    'handled',
    record({
      ...instance,
      source: [4, incarnation],
      number: [5, uint()],
      outcome: [6, oneOf('ok', 'failed')],
      /** So many of the journal's entries after this one are what its turn left behind. Null where that isn't said. [P 13.6] */
      effects: [7, nullable(uint())],
    }),
  ],
  /** Records that may be missing before this one: at most this much time of them, lost to a power cut. */
  ['gap', record({ upToMs: [1, uint()], reason: [2, text(200)] })],
)

/**
 * A stretch of the node's journal on `n/<node>/up/report`: all entries that there are with sequence numbers `first` to `first + count − 1`, each
 * exactly once, samples and others interleaved; a number that isn't there was dropped on the node for want of room. The gateway answers on `n/<node>/down/ack` after it stored them; what isn't acknowledged is sent again.
 *
 * Samples are columns of little-endian numbers, one for each sample: a batch of thousands is read without a decoder's step per sample.
 */
export const report = message(
  'report',
  record({
    incarnation: [1, incarnation],
    first: [2, uint()],
    count: [3, uint(8_192)],
    /** Times below are milliseconds since this one, itself since 1970 UTC. */
    baseMs: [4, uint()],
    series: [5, list(series, 2_048)],
    samples: [
      6,
      record({
        /** u16 each: index into `series`. */
        series: [1, bytes({ max: 16_384 })],
        /** u16 each: sequence number minus `first`; rising. */
        offset: [2, bytes({ max: 16_384 })],
        /** u32 each. */
        at: [3, bytes({ max: 32_768 })],
        /** f64 each. */
        value: [4, bytes({ max: 65_536 })],
      }),
    ],
    /**
     * The end of the stretch before this one, where it isn't `first − 1`: the numbers between were dropped on the node. The gateway holds back a report that doesn't
     * follow on what it has stored, since what is missing may still be on its way.
     */
    after: [8, nullable(uint())],
    /** Of a board: for how long the last change of modules kept its module from running, in ms, rounded up; null where there was none since it started. */
    pausedMs: [9, nullable(uint(0xffff_ffff))],
    entries: [7, list(record({ offset: [1, uint(8_191)], at: [2, uint(0xffff_ffff)], entry: [3, entry] }), 8_192)],
  }),
)

export type Report = TypeOf<typeof report>
export type Series = TypeOf<typeof series>
export type ReportEntry = TypeOf<typeof entry>
