import type { Denial } from '../admin/api/services.ts'
import type { GatewayDeps } from './deps.ts'

/** Entries that may be written at once, and how long each takes to come back: a flood writes 720 a day, some 150 KB. */
const burst = 30
const refillMs = 120_000

/**
 * Writes refused calls into the audit log. Of a flood it writes few, and each says how many went before it unwritten. Strangers have a budget of their own, so that
 * they can't hide what someone with a token tries.
 */
export function createDenials({ store, clock }: Pick<GatewayDeps, 'store' | 'clock'>): (denial: Denial) => void {
  const budgets = { strangers: new Budget(), callers: new Budget() }
  return ({ caller, address, asked, code }) => {
    const budget = caller === null ? budgets.strangers : budgets.callers
    const now = clock.now()
    const unwritten = budget.take(now)
    if (unwritten === null) return
    const details = { code, address, ...(unwritten === 0 ? {} : { unwritten }) }
    store.audit.add({ at: now, actor: caller?.name ?? 'unknown', action: 'denied', subject: asked, details })
  }
}

class Budget {
  #left = burst
  #at = 0
  #unwritten = 0

  /** How many were left out since the last one that was written; null for one that is left out. */
  take(now: number): number | null {
    // A clock that was set back gives nothing.
    const back = Math.max(0, Math.floor((now - this.#at) / refillMs))
    if (this.#left + back >= burst) {
      this.#left = burst
      this.#at = now
    } else {
      this.#left += back
      this.#at += back * refillMs
    }
    if (this.#left === 0) {
      this.#unwritten++
      return null
    }
    this.#left--
    const unwritten = this.#unwritten
    this.#unwritten = 0
    return unwritten
  }
}
