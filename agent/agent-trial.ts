import { arch } from 'node:process'
import { toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import type { Artifact, Release } from '@hypha/core/trust/release.ts'
import { filesFor } from '@hypha/core/trust/shape.ts'
import { agentApp } from '@hypha/core/wire/ids.ts'
import type { AppPorts } from './app-ports.ts'
import type { AppStatus } from './app-status.ts'
import type { Installed } from './install/machine.ts'
import { judge, look, type Watch, type WatchLimits, type Why } from './update/machine.ts'
import type { Slots } from './update/slots.ts'
import { decodeStored } from './verify/stored.ts'

const lookEveryMs = 1_000
/** Starts that the launcher gives a trial. */
const tries = 2

/** What the agent's own update needs. */
export interface SelfUpdate {
  readonly slots: Slots
  readonly limits: WatchLimits
  readonly online: () => boolean
  /** Ends this process in good order, so that the launcher starts the slot that is due. */
  readonly restart: () => void
}

/** An app as the rest of the agent sees it while its own program is exchanged. */
export interface Neighbour {
  readonly name: string
  /** All of its instances run. */
  readonly running: boolean
}

export interface TrialHooks {
  readonly neighbours: () => readonly Neighbour[]
  /** Runs it when all that was begun before is done. */
  inTurn(run: () => Promise<void>): Promise<void>
  /** A trial is over: there may be something else to do. */
  over(): void
}

/** The trial of another program in place of the one that runs, seen from both: the old one begins it and hears how it ended, the new one confirms itself or gives itself up. */
export class AgentTrial {
  readonly #ports: Pick<AppPorts, 'installs' | 'clock' | 'crypto' | 'settled'>
  readonly #update: SelfUpdate
  readonly #status: AppStatus
  readonly #hooks: TrialHooks
  #underWay = false
  #cancelTimer = (): void => undefined
  /** The slots of stored records, each decoded once. */
  readonly #slotsOf = new WeakMap<Installed, string>()

  constructor(
    ports: Pick<AppPorts, 'installs' | 'clock' | 'crypto' | 'settled'>,
    update: SelfUpdate,
    status: AppStatus,
    hooks: TrialHooks,
  ) {
    this.#ports = ports
    this.#update = update
    this.#status = status
    this.#hooks = hooks
  }

  /** This process is on trial, or ends for one. */
  get underWay(): boolean {
    return this.#underWay
  }

  /** Whether this process is its program. */
  isRunning(installed: Installed): boolean {
    return this.#slotOf(installed) === this.#update.slots.running
  }

  stop(): void {
    this.#cancelTimer()
  }

  /** Goes on with what the agent before was at, whatever ended it. */
  async boot(): Promise<void> {
    const { slots } = this.#update
    const { trial, failed, confirmed } = this.#ports.installs.state(agentApp)
    const verdict = judge(slots.found(trial && this.#slotOf(trial.installed)))
    switch (verdict.kind) {
      case 'settled':
        if (failed !== null) this.#status.set('reverted', failed)
        else if (confirmed !== null) this.#status.set('confirmed')
        return await slots.sweep()
      case 'watch':
        return this.#watch()
      case 'confirmed':
        return await this.#confirm()
      case 'try':
        return await this.#try()
      case 'failed':
        return await this.#failed(verdict)
      case 'give-up':
        return await this.#giveUp(verdict)
    }
  }

  /** Unpacks a verified release, writes it down as staged, and lets the launcher try it. Throws what `Slots.install` throws, `disk-full`, `file-failed`. */
  async begin(installed: Installed, archive: Uint8Array): Promise<void> {
    const { slots } = this.#update
    await slots.install(this.#slotOf(installed), archive)
    await slots.prepare(this.#hooks.neighbours().flatMap(({ name, running }) => (running ? [name] : [])))
    await this.#ports.installs.step(agentApp, { kind: 'stage', installed })
    await this.#try()
  }

  /** Lets the launcher try what is staged. Its starts are counted here too, so that no launcher can make this go on for ever. */
  async #try(): Promise<void> {
    const { installs } = this.#ports
    const { trial, failed } = await installs.step(agentApp, { kind: 'start' })
    if (trial === null) return this.#status.set('reverted', failed)
    await this.#update.slots.try(this.#slotOf(trial.installed), tries)
    this.#restart('trial')
  }

  #restart(status: 'trial' | 'reverted', why: Why | null = null): void {
    this.#status.set(status, why)
    this.#underWay = true
    this.#update.restart()
  }

  /** This process is on trial: it looks at itself until it is confirmed, or gives itself up. */
  #watch(): void {
    const { slots, limits, online } = this.#update
    const { clock } = this.#ports
    const before = slots.before() ?? []
    let watch: Watch = { beganMs: clock.monotonic(), healthySinceMs: null, connected: false }
    this.#underWay = true
    this.#status.set('trial')
    const lookAgain = () => {
      const missing = this.#hooks
        .neighbours()
        .flatMap(({ name, running }) => (before.includes(name) && !running ? [name] : []))
      const seen = look(watch, { nowMs: clock.monotonic(), online: online(), missing }, limits)
      watch = seen.watch
      const { outcome } = seen
      if (outcome === 'wait') this.#cancelTimer = clock.after(lookEveryMs, lookAgain)
      else void this.#hooks.inTurn(() => (outcome === 'confirm' ? this.#confirm() : this.#giveUp(outcome)))
    }
    lookAgain()
  }

  async #confirm(): Promise<void> {
    try {
      await this.#update.slots.confirm()
      await this.#ports.installs.step(agentApp, { kind: 'confirm' })
    } catch (thrown) {
      // A full disk passes; until then the launcher would try it again.
      this.#status.tell('confirm-failed', asHyphaError(thrown))
      return this.#watch()
    }
    this.#underWay = false
    this.#status.set('confirmed')
    await this.#update.slots.sweep()
    this.#ports.settled()
    this.#hooks.over()
  }

  async #giveUp(why: Why): Promise<void> {
    this.#status.event('reverted', `The new agent gives itself up: ${why.message}`)
    try {
      await this.#update.slots.giveUp(this.#update.slots.running, why)
    } catch (thrown) {
      this.#status.tell('revert-failed', asHyphaError(thrown))
    }
    // Also where it can't be written down: the launcher counts.
    this.#restart('reverted', why)
  }

  /** The one that was tried didn't do: this one goes on, and doesn't try it again. */
  async #failed({ code, message }: Why): Promise<void> {
    const { installs } = this.#ports
    await this.#update.slots.endTrial()
    const { failed } = await installs.step(agentApp, { kind: 'fail', code, message })
    this.#status.event('reverted', `The new agent is given up, the one before runs again: ${message}`)
    this.#status.set('reverted', failed)
    await this.#update.slots.sweep()
  }

  #slotOf(installed: Installed): string {
    const known = this.#slotsOf.get(installed)
    if (known !== undefined) return known
    const slot = toHex(programOf(decodeStored(installed.record, this.#ports.crypto).release).digest)
    this.#slotsOf.set(installed, slot)
    return slot
  }
}

/** The archive that a release has for this machine. Throws `content-missing`. */
export function programOf(release: Release): Artifact {
  const found = filesFor(release, arch).find(({ name }) => name === 'agent')
  if (found !== undefined) return found.artifact
  throw new HyphaError('content-missing', `Release ${release.number} of ${agentApp} has no agent for ${arch}`)
}
