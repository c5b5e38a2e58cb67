import type { Clock } from '@hypha/core/ports/clock.ts'
import type { InstanceEffects } from './protocol.ts'

type Throttled = InstanceEffects['throttled']

/** Tells that an instance is over its rates: at once for the first time, then at most once in a while, with what was dropped since. */
export class ThrottleReport {
  readonly #clock: Clock
  readonly #everyMs: number
  readonly #tell: (text: string) => void
  #dropped = { samples: 0, messages: 0, logs: 0 }
  #cancel: (() => void) | null = null

  constructor(clock: Clock, everyMs: number, tell: (text: string) => void) {
    this.#clock = clock
    this.#everyMs = everyMs
    this.#tell = tell
  }

  add(throttled: Throttled): void {
    if (throttled.samples + throttled.messages + throttled.logs === 0) return
    this.#dropped.samples += throttled.samples
    this.#dropped.messages += throttled.messages
    this.#dropped.logs += throttled.logs
    if (this.#cancel === null) this.#report()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = null
  }

  #report(): void {
    const { samples, messages, logs } = this.#dropped
    if (samples + messages + logs === 0) {
      this.#cancel = null
      return
    }
    const parts = [
      samples > 0 ? `${samples} samples` : '',
      messages > 0 ? `${messages} messages` : '',
      logs > 0 ? `${logs} log lines` : '',
    ]
    this.#tell(`over its rate: ${parts.filter((part) => part !== '').join(', ')} dropped`)
    this.#dropped = { samples: 0, messages: 0, logs: 0 }
    this.#cancel = this.#clock.after(this.#everyMs, () => this.#report())
  }
}
