import { asHyphaError } from '@hypha/core/errors.ts'
import type { AppPorts } from './app-ports.ts'
import type { AppStatus } from './app-status.ts'
import type { InstallInput, InstallState } from './install/machine.ts'
import type { RunningApp } from './running-app.ts'

export interface TrialHooks {
  /** Runs it when all that was begun before is done. */
  inTurn(run: () => Promise<void>): Promise<void>
  running(): RunningApp | null
  /** It has trapped too often, and that is written down. */
  givenUp(): Promise<void>
  /** There is no going back to what ran before. Never rejects. */
  confirmed(): Promise<void>
}

/** What becomes of a release that runs and isn't confirmed yet: it is when it has run for a while without a failure, and given up when it fails again and again. */
export class Trial {
  readonly #app: string
  readonly #ports: AppPorts
  readonly #status: AppStatus
  readonly #hooks: TrialHooks
  #cancel = (): void => undefined

  constructor(app: string, ports: AppPorts, status: AppStatus, hooks: TrialHooks) {
    this.#app = app
    this.#ports = ports
    this.#status = status
    this.#hooks = hooks
  }

  /** Whether what runs isn't confirmed yet; a flip may not have been written down. */
  get on(): boolean {
    const { trial, prepared } = this.#ports.installs.state(this.#app)
    return trial !== null || (prepared !== null && prepared.installed.epoch === this.#hooks.running()?.installed.epoch)
  }

  /** Steps of what runs; its flip first where that isn't written down yet. */
  step(...inputs: readonly InstallInput[]): Promise<InstallState> {
    const epoch = this.#hooks.running()?.installed.epoch
    const flip = epoch === undefined ? [] : [{ kind: 'flip' as const, epoch }]
    return this.#ports.installs.step(this.#app, ...flip, ...inputs)
  }

  /** Its time begins, or begins anew. */
  watch(): void {
    this.#status.set('trial')
    this.#cancel()
    this.#cancel = this.#ports.clock.after(this.#ports.trialMs, () => {
      void this.#hooks.inTurn(() => this.confirm())
    })
  }

  stop(): void {
    this.#cancel()
  }

  /** What runs has failed where it says so: that counts while it is on trial. */
  changed(running: RunningApp): void {
    const message = running.takeFailure()
    if (message === null || !this.on) return
    void this.#hooks.inTurn(async () => {
      if (this.#hooks.running() !== running || !this.on) return
      const { trial } = await this.step({ kind: 'trap', message })
      if (trial !== null) return this.watch()
      await this.#hooks.givenUp()
    })
  }

  /** It has run for its time; `proven`: it has nothing to prove, also where something of it doesn't run yet. */
  async confirm({ proven = false } = {}): Promise<void> {
    const { journal } = this.#ports
    const running = this.#hooks.running()
    if (running === null || !this.on) return
    if (!proven && running.instances().some(({ status }) => status !== 'running')) return this.watch()
    try {
      await this.step({ kind: 'confirm' })
      journal.settleFlip(this.#app)
    } catch (thrown) {
      this.#status.tell('confirm-failed', asHyphaError(thrown))
      return this.watch()
    }
    this.#cancel()
    await this.#hooks.confirmed()
    this.#status.set('confirmed')
    this.#ports.settled()
  }
}
