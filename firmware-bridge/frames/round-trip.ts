/** When to believe that a frame was lost. [S 5.6] */
export interface TimeoutLimits {
  /** Before the first round trip was measured. */
  readonly firstTimeoutMs: number
  readonly minTimeoutMs: number
  readonly maxTimeoutMs: number
}

/** Smoothed round trip and its mean deviation, as RFC 6298 (2) keeps them; null before the first measurement. */
export type RoundTrip = { readonly smoothedMs: number; readonly deviationMs: number } | null

export function measured(before: RoundTrip, tripMs: number): RoundTrip {
  if (before === null) return { smoothedMs: tripMs, deviationMs: tripMs / 2 }
  // Eighths and quarters: a microcontroller shifts.
  return {
    smoothedMs: before.smoothedMs + (tripMs - before.smoothedMs) / 8,
    deviationMs: before.deviationMs + (Math.abs(tripMs - before.smoothedMs) - before.deviationMs) / 4,
  }
}

/** Transmissions of a frame that wait equally long: on a line of its own, what is lost twice is lost to noise, not to a crowd that waiting would help. */
const steadyTries = 3

/** How long to wait for word of a frame that was sent `tries` times: twice as long with each time after the third. */
export function timeoutMs(trip: RoundTrip, tries: number, limits: TimeoutLimits): number {
  const once = trip === null ? limits.firstTimeoutMs : trip.smoothedMs + 4 * trip.deviationMs
  const doublings = Math.min(Math.max(0, tries - steadyTries), 30)
  return Math.min(limits.maxTimeoutMs, Math.max(limits.minTimeoutMs, once) * 2 ** doublings)
}
