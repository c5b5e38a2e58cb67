import type { Clock } from '@hypha/core/ports/clock.ts'
import type { InstanceEffects } from './protocol.ts'

type Throttled = InstanceEffects['throttled']

/** Tells of something that may happen often: at once for the first time, then at most once in a while. */
class Seldom {
  readonly #clock: Clock
  readonly #everyMs: number
  readonly #tell: () => void
  #pending = false
  #cancel: (() => void) | null = null

  constructor(clock: Clock, everyMs: number, tell: () => void) {
    this.#clock = clock
    this.#everyMs = everyMs
    this.#tell = tell
  }

  happened(): void {
    this.#pending = true
    if (this.#cancel === null) this.#report()
  }

  /** Nothing happens any more: tells what hasn't been told. */
  stop(): void {
    this.#cancel?.()
    this.#cancel = null
    if (this.#pending) this.#tell()
    this.#pending = false
  }

  #report(): void {
    this.#cancel = null
    if (!this.#pending) return
    this.#pending = false
    this.#tell()
    this.#cancel = this.#clock.after(this.#everyMs, () => this.#report())
  }
}

/** Tells that an instance is over its rates, with what was dropped since it was told last. */
export class ThrottleReport {
  readonly #seldom: Seldom
  #dropped = { samples: 0, messages: 0, logs: 0 }

  constructor(clock: Clock, everyMs: number, tell: (text: string) => void) {
    this.#seldom = new Seldom(clock, everyMs, () => {
      const { samples, messages, logs } = this.#dropped
      this.#dropped = { samples: 0, messages: 0, logs: 0 }
      const parts = [
        samples > 0 ? `${samples} samples` : '',
        messages > 0 ? `${messages} messages` : '',
        logs > 0 ? `${logs} log lines` : '',
      ]
      tell(`over its rate: ${parts.filter((part) => part !== '').join(', ')} dropped`)
    })
  }

  add(throttled: Throttled): void {
    if (throttled.samples + throttled.messages + throttled.logs === 0) return
    this.#dropped.samples += throttled.samples
    this.#dropped.messages += throttled.messages
    this.#dropped.logs += throttled.logs
    this.#seldom.happened()
  }

  stop(): void {
    this.#seldom.stop()
  }
}

/** Tells that ticks of an instance were due and got no turn, with how many since it was told last. */
export class MissedTicksReport {
  readonly #seldom: Seldom
  #missed = 0

  constructor(clock: Clock, everyMs: number, tell: (text: string) => void) {
    this.#seldom = new Seldom(clock, everyMs, () => {
      const ticks = this.#missed === 1 ? '1 tick was' : `${this.#missed} ticks were`
      tell(`${ticks} missed: the turns of its app, or the node, are slower than its timer`)
      this.#missed = 0
    })
  }

  add(missed: number): void {
    if (missed === 0) return
    this.#missed += missed
    this.#seldom.happened()
  }

  stop(): void {
    this.#seldom.stop()
  }
}
