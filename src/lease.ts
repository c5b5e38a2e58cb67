// A lease is a promise about time between two clocks that nobody compares. The holder counts from before it asked, the granter from when it answered: whatever the network does in between only
// makes the holder stop earlier. Each counts on a clock that never jumps; what those may differ by is taken off on the holder's side. [P 12.3]

/** A holder's clock may run so much slower than the granter's: five times what two crystals drift apart. */
const slackPerMs = 1 / 1_000

/** When a lease was asked for, by both of the holder's clocks. */
export interface Asked {
  /** By the clock that never jumps, in ms; it may stand still while the machine sleeps. */
  readonly monotonic: number
  /** Since the machine was started, in ms, sleep included; in steps. */
  readonly uptime: number
}

/** The holder's clocks. */
export interface HolderClocks {
  monotonic(): number
  uptime(): number
  /** What `uptime` may lag behind. */
  readonly uptimeStepMs: number
}

export const readClocks = (clocks: HolderClocks): Asked => ({
  monotonic: clocks.monotonic(),
  uptime: clocks.uptime(),
})

/** How long the holder may still use what it was granted for `forMs`; 0 or less when it has run out. */
export function leftOf(asked: Asked, forMs: number, clocks: HolderClocks): number {
  const usable = forMs * (1 - slackPerMs)
  const awake = clocks.monotonic() - asked.monotonic
  // A laptop that slept has heard nothing of what was decided meanwhile.
  const slept = clocks.uptime() - asked.uptime + clocks.uptimeStepMs
  return usable - Math.max(awake, slept)
}

/** Until when the granter keeps it from all others, by its own clock that never jumps. */
export const keptUntil = (answeredAt: number, forMs: number): number => answeredAt + forMs
