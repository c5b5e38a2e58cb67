import { float, message, nullable, record, type TypeOf, uint } from '../codec.ts'

/** How long a vital may have to be beyond its bound before that counts, ms. */
export const maxVitalForMs = 86_400_000

const reading = record({
  value: [1, float],
  /** Beyond it the node is in trouble: below it for battery and memory, above it for CPU. */
  bound: [2, float],
  /** It is well again from here on. */
  clear: [3, float],
  forMs: [4, uint(maxVitalForMs)],
})

/** On `n/<node>/up/vitals`, QoS 0: what the node has left for its modules. It says it again when that changes, and every minute; what gets lost is in the next one. [P 4.6] */
export const vitals = message(
  'vitals',
  record({
    /** Percent; null where it has none. */
    battery: [1, nullable(reading)],
    /** Bytes. */
    freeMemory: [2, nullable(reading)],
    /** Percent of all its cores' time. */
    cpu: [3, nullable(reading)],
  }),
)

export type Vitals = TypeOf<typeof vitals>
export type VitalReading = TypeOf<typeof reading>
