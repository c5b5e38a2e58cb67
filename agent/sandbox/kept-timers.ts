import { instanceName } from '@hypha/core/wire/ids.ts'
import type { InstanceKey } from '../turns.ts'
import type { TickerPhase } from './ticker.ts'

/** When the next tick of an instance is due, by the monotonic clock, and every so many ms from then on. */
export interface KeptTimer {
  readonly dueAt: number
  readonly periodMs: number
}

interface Kept extends KeptTimer {
  /** That ran here; null for what came from another node. */
  readonly release: string | null
}

/**
 * Where timers are of instances that run nowhere just now, by instance: so that a tick comes when it is due, wherever that is. What was due while one moved between nodes is made up by one tick, and the others count as missed, as at a
 * swap. Where an instance only begins anew in its place, because another one of its app has come or gone, it is one tick late at most, and none is missed. In memory: after a start of the agent timers begin anew. [P 13.9]
 */
export class KeptTimers {
  readonly #kept = new Map<string, Kept>()

  /** What ran of a release has stopped. */
  stopped(instance: InstanceKey, timer: KeptTimer, release: string): void {
    this.#kept.set(instanceName(instance), { ...timer, release })
  }

  /** An instance has come from another node, with its timer or without. */
  came(instance: InstanceKey, timer: KeptTimer | null): void {
    if (timer === null) this.#kept.delete(instanceName(instance))
    else this.#kept.set(instanceName(instance), { ...timer, release: null })
  }

  /** It leaves this node. */
  take(instance: InstanceKey): KeptTimer | null {
    const kept = this.#take(instance)
    return kept && { dueAt: kept.dueAt, periodMs: kept.periodMs }
  }

  /** Where the timer of an instance goes on that starts to run; undefined where it begins anew: another release is another's word, and so is another period. */
  resume(instance: InstanceKey, periodMs: number, release: string, now: number): TickerPhase | undefined {
    const kept = this.#take(instance)
    if (kept === null || kept.periodMs !== periodMs || (kept.release ?? release) !== release) return undefined
    // No clock has it later than that: it comes from another node.
    if (kept.dueAt > now + periodMs) return undefined
    const late = Math.max(0, Math.floor((now - kept.dueAt) / periodMs))
    return { startedAt: kept.dueAt, next: kept.release === null ? 0 : late }
  }

  #take(instance: InstanceKey): Kept | null {
    const name = instanceName(instance)
    const kept = this.#kept.get(name) ?? null
    this.#kept.delete(name)
    return kept
  }
}
