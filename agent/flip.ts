import { asHyphaError } from '@hypha/core/errors.ts'
import type { AppPorts } from './app-ports.ts'
import type { AppStatus } from './app-status.ts'
import type { Installed, InstallState } from './install/machine.ts'
import type { Flip } from './receipts.ts'

/** What is said of a flip before it happens. */
export interface FlipOrder {
  readonly wave: number
  /** That the commit named; null for a flip without one. */
  readonly instantMs: number | null
  /** The commit came to be known after its instant. */
  readonly late: boolean
}

interface FlipParts {
  readonly app: string
  readonly from: Installed | null
  readonly to: Installed
  readonly order: FlipOrder
  /** When it began, by the monotonic clock. */
  readonly since: number
}

/** What is known at the moment at which a release takes over, called at that moment; of what became of its inputs nothing yet. */
export function describeFlip(ports: AppPorts, { app, from, to, order, since }: FlipParts): Flip {
  const { clock, gatewayClock, verifier } = ports
  const monotonic = clock.monotonic()
  const estimate = gatewayClock.estimate()
  // With no network nothing bounds how wrong the node's own clock may be.
  const time = estimate
    ? { flippedMs: monotonic + estimate.offsetMs, errorMs: estimate.errorMs }
    : { flippedMs: verifier.timeMs, errorMs: Number.POSITIVE_INFINITY }
  const settled = Promise.resolve({ after: 0, lost: 0, doubled: 0 })
  return { app, from, to, ...order, ...time, pauseMs: monotonic - since, carried: 0, before: 0, settled }
}

/**
 * What is known after a start of a flip that the agent before had begun, or was to begin while this node was down. Where the journal has the mark of it, it had happened: some time between the
 * instant and now, and of its inputs nothing is known but that none is handled twice.
 */
export function describeFlipBefore(ports: AppPorts, parts: FlipParts & { readonly marked: boolean }): Flip {
  const flip = describeFlip(ports, parts)
  const { instantMs } = flip
  if (!parts.marked) return flip
  const time =
    instantMs === null ? {} : { flippedMs: instantMs, errorMs: flip.errorMs + Math.max(0, flip.flippedMs - instantMs) }
  return { ...flip, ...time, late: false, pauseMs: null, settled: null }
}

type MarkPorts = Pick<AppPorts, 'journal'>

/** State and kv as they were at the flip that is gone back from. */
export function restoreMark(app: string, { journal }: MarkPorts, status: AppStatus): void {
  try {
    const turns = journal.revertFlip(app)
    if (turns > 0) status.event('state-restored', `State and kv are as they were at the flip, without ${turns} turns`)
  } catch (thrown) {
    status.tell('revert-failed', asHyphaError(thrown))
  }
}

/** After a start with nothing on trial: a mark that stands was left by an agent that ended before it had gone back, or before it had dropped it. */
export function clearStaleMark(app: string, state: InstallState, ports: MarkPorts, status: AppStatus): void {
  const mark = ports.journal.flipOf(app)
  if (mark === null) return
  const confirmed = state.confirmed !== null && state.confirmed.epoch >= mark
  const notFlipped = state.prepared?.installed.epoch === mark
  if (confirmed || notFlipped) ports.journal.settleFlip(app)
  else restoreMark(app, ports, status)
}
