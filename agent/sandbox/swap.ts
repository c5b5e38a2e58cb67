import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { TurnRecord } from '../turns.ts'
import type { App } from './prepared-app.ts'
import type { Settled } from './settlement.ts'

/** A swap that succeeded. */
export interface Swapped {
  /** From the end of the last turn of the old release to the readiness for the first one of the new. */
  readonly pauseMs: number
  /** Inputs that waited at the flip, and were taken over. */
  readonly carried: number
  /** Inputs that the old release handled since it was activated. */
  readonly before: number
  /** Resolves when all that was taken over is done with, or after 10 s: what became of it. Never rejects. */
  readonly settled: Promise<Settled>
}

export interface SwapOptions {
  /** Where the new release isn't ready so long after the old one's last turn, the old one goes on. */
  readonly budgetMs: number
  /** Called once, when the old release's state is journaled and the new one is ready, before anything of the new one is journaled. What it throws calls the swap off. */
  readonly saved: () => void
}

interface SwapPorts {
  readonly clock: Clock
  commit(turn: readonly TurnRecord[]): void
}

/**
 * Replaces a running release by a prepared one, whole or not at all. What the new one does until it is ready stays out of the journal: up to that point the old one can go on where it was, since
 * it hasn't been told and its worker is there. From there to the first turn of the new one nothing waits for anything. [P 10.6]
 *
 * @throws HyphaError what kept the new release from taking over, or the old one from saving; `swap-over-budget`.
 */
export async function swapApps(
  old: App | null,
  next: App,
  { budgetMs, saved }: SwapOptions,
  { clock, commit }: SwapPorts,
): Promise<Swapped> {
  next.waitIn(old)
  try {
    await next.ready()
  } catch (error) {
    next.giveBack(old)
    throw error
  }
  await old?.hold()
  const heldAt = clock.monotonic()
  const overBudget = (): HyphaError =>
    new HyphaError('swap-over-budget', `the new release was not ready within ${budgetMs} ms`)
  const budget = Promise.withResolvers<never>()
  // Where nothing ran, nothing waits.
  const cancelBudget = old === null ? () => undefined : clock.after(budgetMs, () => budget.reject(overBudget()))
  budget.promise.catch(() => undefined)
  try {
    await old?.save()
    await Promise.race([next.startWithheld(), budget.promise])
    if (old !== null && clock.monotonic() - heldAt > budgetMs) throw overBudget()
    saved()
    const left = next.release()
    if (left.length > 0) commit(left)
  } catch (thrown) {
    const failure = asHyphaError(thrown)
    next.giveBack(old)
    old?.resume()
    await next.abandon(failure)
    keepLogs(next.release(), commit)
    throw failure
  } finally {
    cancelBudget()
  }
  const { carried, before, settlement } = next.takeOver(old)
  return { pauseMs: clock.monotonic() - heldAt, carried, before, settled: settlement.result }
}

/** What a release says before it fails is all that is known of why. */
function keepLogs(withheld: readonly TurnRecord[], commit: SwapPorts['commit']): void {
  const logs = withheld
    .filter((record) => record.logs.length > 0)
    .map((record) => ({ ...record, samples: [], messages: [], kv: [], state: null }))
  try {
    if (logs.length > 0) commit(logs)
  } catch {
    // On a full disk they are lost, and the failure itself is what is told.
  }
}
