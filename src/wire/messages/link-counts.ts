import { list, message, nullable, record, type TypeOf, text, uint } from '../codec.ts'
import { id, interfaceName } from '../ids.ts'

/** Buckets of a link's times: two to an octave, from 1 µs on; the last ends at some three minutes, and takes all that is longer. */
export const latencyBuckets = 56
export const maxCountedLinks = 64
export const maxFailureCodes = 8

const end = { module: [1, id], home: [2, nullable(id)] } as const

const linkCount = record({
  app: [1, id],
  caller: [2, record(end)],
  interface: [3, interfaceName],
  /** The callee's node. */
  node: [4, id],
  callee: [5, record(end)],
  calls: [6, uint()],
  failures: [7, list(record({ code: [1, text(40)], count: [2, uint()] }), maxFailureCodes)],
  /** Of arguments, and of results. */
  bytesOut: [8, uint()],
  bytesIn: [9, uint()],
  /** Calls by how long they took; without the empty buckets at the end. */
  latency: [10, list(uint(), latencyBuckets)],
})

/** On `n/<node>/up/links`, QoS 0: what the calls of a node's instances add up to since its agent started, of the links that were used most. What gets lost is in the next one. */
export const linkCounts = message(
  'link-counts',
  record({ sinceMs: [1, uint()], links: [2, list(linkCount, maxCountedLinks)] }),
)

export type LinkCounts = TypeOf<typeof linkCounts>
export type LinkCount = TypeOf<typeof linkCount>
