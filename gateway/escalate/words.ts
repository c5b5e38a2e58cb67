import type { Bar, Cause } from './bar.ts'
import type { Fault } from './faults.ts'
import type { Vital } from './vitals.ts'

/** "pi-7 has 12 % of its battery left, and should have 20 %": of a node that is in trouble. */
export function vitalText(node: string, cause: Cause, { value, bound }: Vital): string {
  if (cause === 'battery') return `${node} has ${round(value)} % of its battery left, below ${round(bound)} %`
  if (cause === 'cpu') return `${node} is busy for ${round(value)} % of its time, above ${round(bound)} %`
  return `${node} has ${size(value)} of memory free, below ${size(bound)}`
}

/** "trapped 3 times in 7 s for want of memory on pi-7 (limit 64 KiB)". `faults` are of one cause, oldest first. */
export function faultText(node: string, faults: readonly Fault[]): string {
  const last = faults.at(-1)!
  const times = `${faults.length} times in ${span(last.at - faults[0]!.at)}`
  if (last.cause === 'deadline') return `overran the deadline of its turn ${times} on ${node}`
  if (last.cause === 'quota') return `was told ${times} that it is over its rates on ${node}`
  const limit = last.limitBytes === null ? '' : ` (limit ${size(last.limitBytes)})`
  return `trapped ${times} for want of memory on ${node}${limit}`
}

/** Why an instance may come back. */
export function liftText({ node, cause }: Bar): string {
  if (cause === 'battery') return `the battery of ${node} is charged again`
  if (cause === 'cpu') return `${node} has time to spare again`
  if (cause === 'free-memory') return `${node} has enough memory free again`
  return `it is tried on ${node} again`
}

export function span(ms: number): string {
  if (ms < 120_000) return `${Math.max(1, Math.round(ms / 1_000))} s`
  return ms < 2 * 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}

const round = (value: number): number => Math.round(value)

function size(bytes: number): string {
  if (bytes < 1_024 * 1_024) return `${round(bytes / 1_024)} KiB`
  return `${round((bytes / 1_024 / 1_024) * 10) / 10} MiB`
}
