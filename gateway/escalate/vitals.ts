import type { VitalCause } from './bar.ts'

/** What a node says of one of its vitals: battery in percent, free memory in bytes, CPU in percent of all cores. */
export interface Reading {
  readonly value: number
  /** Beyond it the node is in trouble: below it for battery and memory, above it for CPU. */
  readonly bound: number
  /** It is well again only from here on. */
  readonly clear: number
  /** It is in trouble only where it was so for so long. */
  readonly forMs: number
}

export type Readings = Readonly<Partial<Record<VitalCause, Reading>>>

/** A vital over time. */
export interface Vital extends Reading {
  /** Since when it is beyond its bound, and since when it is well; null where it isn't. Between the two it is neither. */
  readonly badSince: number | null
  readonly wellSince: number | null
}

export interface NodeVitals {
  readonly at: number
  readonly of: Readonly<Partial<Record<VitalCause, Vital>>>
}

const causes: readonly VitalCause[] = ['battery', 'free-memory', 'cpu']

/** What is known of a node after it has said more. */
export function noteVitals(before: NodeVitals | null, readings: Readings, at: number): NodeVitals {
  const of: Partial<Record<VitalCause, Vital>> = {}
  for (const cause of causes) {
    const reading = readings[cause]
    if (reading === undefined) continue
    const { bad, well } = judge(cause, reading)
    const was = before?.of[cause]
    of[cause] = {
      ...reading,
      badSince: bad ? (was?.badSince ?? at) : null,
      wellSince: well ? (was?.wellSince ?? at) : null,
    }
  }
  return { at, of }
}

function judge(cause: VitalCause, { value, bound, clear }: Reading): { bad: boolean; well: boolean } {
  if (cause === 'cpu') return { bad: value > bound, well: value <= Math.min(bound, clear) }
  return { bad: value < bound, well: value >= Math.max(bound, clear) }
}

/** Those that are in trouble at a time, the worst for modules first. */
export const inTrouble = ({ of }: NodeVitals, now: number): { cause: VitalCause; vital: Vital }[] =>
  causes.flatMap((cause) => {
    const vital = of[cause]
    return vital?.badSince != null && now - vital.badSince >= vital.forMs ? [{ cause, vital }] : []
  })

/** When the next of them would be in trouble, if nothing changes; null where none would. */
export function nextTrouble({ of }: NodeVitals, now: number): number | null {
  const due = causes.flatMap((cause) => {
    const vital = of[cause]
    return vital?.badSince == null || vital.badSince + vital.forMs <= now ? [] : [vital.badSince + vital.forMs]
  })
  return due.length === 0 ? null : Math.min(...due)
}
