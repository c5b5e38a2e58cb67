import type { AppPorts } from './app-ports.ts'

/** How long a first answer of the gateway's clock is awaited before an instant is judged by the node's own. */
const firstAnswerMs = 5_000

type InstantPorts = Pick<AppPorts, 'gatewayClock' | 'clock' | 'verifier'>

/** The instant of a commit, waited for by the gateway's clock. [P 10.5] */
export class Instant {
  readonly #ports: InstantPorts
  #cancel: (() => void) | null = null
  #late = false

  constructor(ports: InstantPorts) {
    this.#ports = ports
  }

  get awaited(): boolean {
    return this.#cancel !== null
  }

  /** Whether it had passed when it began to be waited for. */
  get late(): boolean {
    return this.#late
  }

  /** Calls `reached` at the instant; at once where that has passed. Does nothing while it is waited for already: the first one counts. False then. */
  wait(instantMs: number, reached: () => void): boolean {
    if (this.#cancel !== null) return false
    const { gatewayClock, clock, verifier } = this.#ports
    this.#late = (this.#gatewayNowMs() ?? verifier.timeMs) > instantMs
    const cancels = [
      gatewayClock.after(instantMs, reached),
      // With no network the gateway's clock stays unknown, and the promise is kept by the node's own.
      clock.after(Math.max(firstAnswerMs, instantMs - verifier.timeMs), () => {
        if (gatewayClock.estimate() === null) reached()
      }),
    ]
    this.#cancel = () => {
      for (const cancel of cancels) cancel()
    }
    return true
  }

  cancel(): void {
    this.#cancel?.()
    this.#cancel = null
  }

  #gatewayNowMs(): number | null {
    const estimate = this.#ports.gatewayClock.estimate()
    return estimate && this.#ports.clock.monotonic() + estimate.offsetMs
  }
}
